"""A cohort's array program: the functions that advance and measure all members at once."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from small_nets.engines.cohort import Cohort, Function, Rows, pad
from small_nets.engines.stacked.cost import Layout, choose_layout, part_sizes
from small_nets.engines.stacked.inductor import compile_step
from small_nets.engines.stacked.trace import Flat, trace_measures, trace_step
from small_nets.engines.stacked.widen import leading, widen
from small_nets.engines.unsupported import CannotStack
from small_nets.nn.update_rules import UpdateRule

# Tracing patches nn.Module for the whole process, so only one thread may trace at a time.
TRACING = threading.RLock()


@dataclass
class Program:
    """Functions of (vector, x, y) for all members, made once for each number of rows.

    vector: the members' parameters. x, y: their inputs and targets. By `layout`, members are on
    the last or the first axis of every tensor.
    """

    net: nn.Module
    loss: Function
    measures: Mapping[str, Function]
    finals: Mapping[str, Function]
    layout: Layout
    compiled: bool
    flat: Flat
    made: dict[tuple[Any, ...], Callable[..., Any]] = field(default_factory=dict)

    @property
    def axis(self) -> int:
        """The members' axis in every tensor that the functions take."""
        return -1 if self.layout == "last" else 0

    def arrange(self, values: Tensor, lanes: int) -> Tensor:
        """Move the members of (members, …) to this program's axis, padded to `lanes`."""
        padded = pad(values, lanes)
        return padded if self.axis == 0 else padded.movedim(0, -1).contiguous()

    def restore(self, values: Tensor, members: int) -> Tensor:
        """The reverse of `arrange`: (members, …) without padding."""
        return (values if self.axis == 0 else values.movedim(-1, 0))[:members]

    def each(self, values: Tensor) -> Tensor:
        """Shape (members,) so that it broadcasts against the members' vectors."""
        return values if self.axis == -1 else values[:, None]

    def over_numbers(self, values: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
        """Reduce each member's vector to a number, (members,)."""
        return reduce(values, dim=0 if self.axis == -1 else 1)

    def _member(self, values: Tensor) -> Tensor:
        return values.select(self.axis, 0).contiguous()

    def gradient(self, vector: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient, shaped as vector, and the loss, (members,)."""
        return self.gradient_of(vector, x, y)(vector, x, y)

    def gradient_of(self, vector: Tensor, x: Tensor, y: Tensor) -> Callable[..., Any]:
        """The function behind `gradient`, for these shapes."""
        key = self._key("gradient", x, vector)
        with TRACING:
            if key not in self.made:
                member = trace_step(self.net, self.loss, *map(self._member, (vector, x, y)))
                self.made[key] = self._lower(member, (vector, x, y), self.compiled)
        return self.made[key]

    def _key(self, what: str, x: Tensor, vector: Tensor) -> tuple[Any, ...]:
        # On the last axis any number of members fits; torch.func.vmap fixes their number.
        if self.layout == "last":
            return what, *x.shape[:-1]
        return what, *x.shape, *vector.shape

    def advance(self, rule: UpdateRule, *state: Any, compiled: bool) -> tuple[Any, ...]:
        """One step of all members. state: the arguments of `_advance` after `rule`."""
        vector, x, y = state[0], *state[5:7]
        if not (self.compiled and compiled):
            return _advance(self, self.gradient_of(vector, x, y), rule, *state)
        key = ("advance", *x.shape)
        with TRACING:
            if key not in self.made:
                step = partial(_advance, self, self.gradient_of(vector, x, y), rule)
                self.made[key] = compile_step(step, state)
        return self.made[key](*state)

    def measure(self, vector: Tensor, x: Tensor, y: Tensor, last: bool = False) -> list[Tensor]:
        """The loss and each measure, (members,) each. last: the final measures instead."""
        key = self._key("finals" if last else "measures", x, vector)
        with TRACING:
            if key not in self.made:
                wanted = self.finals if last else {"loss": self.loss, **self.measures}
                example = tuple(map(self._member, (vector, x, y)))
                member = trace_measures(self.net, wanted, *example)
                self.made[key] = self._lower(member, (vector, x, y), False)
        return self.made[key](vector, x, y)

    def _lower(self, member: GraphModule, example: Any, fused: bool) -> Callable[..., Any]:
        return widen(member, fused) if self.layout == "last" else leading(member, example)


def _advance(
    program: Program, gradient_of: Callable[..., Any], rule: UpdateRule,
    vector: Tensor, state: dict[str, Any], running: Tensor, count: Tensor, clip: Tensor | None,
    x: Tensor, y: Tensor, numbers: dict[str, Tensor],
) -> tuple[Tensor, dict[str, Any], Tensor, Tensor]:  # fmt: skip
    """One step. Returns the parameters, the rule's state, who still trains, the steps done.

    state: the rule's. running, count: a boolean and the steps of each member. clip: the largest
    norms, or None. numbers: the rule's coefficients.
    """
    gradient, loss = gradient_of(vector, x, y)
    # Checked before the update, so that a diverged member keeps the parameters of this loss.
    running = running & torch.isfinite(loss)
    if clip is not None:
        norm = program.over_numbers(gradient, torch.linalg.vector_norm)
        # torch.nn.utils.clip_grad_norm_ for each member.
        gradient = gradient * program.each((clip / (norm + 1e-6)).clamp(max=1.0))
    new, state = rule.update(vector, gradient, state, **numbers)
    return torch.where(program.each(running), new, vector), state, running, count + running


def lower(cohort: Cohort, compiled: bool = False, layout: Layout | None = None) -> Program:
    """Make the program for cohorts of these shapes, and try it on a step of the first member.

    layout: the members' axis; None to choose it. Raises CannotStack with the reason.
    """
    first = choose_layout(cohort.net, cohort.batch, compiled) if layout is None else layout
    reasons = []
    options: list[Layout] = [first] if first == "first" else [first, "first"]
    for option in options:
        program = Program(
            cohort.net, cohort.loss_of_rows, cohort.of_rows(cohort.measures),
            cohort.of_rows(cohort.finals), option, compiled, Flat(cohort.net),
        )  # fmt: skip
        try:
            _try(program, cohort)
        except Exception as error:
            # torch raises many classes here; the first line is the reason.
            reasons.append(f"{type(error).__name__}: {(str(error) or '?').splitlines()[0]}")
        else:
            return program
    raise CannotStack(reasons[-1])


def _try(program: Program, cohort: Cohort) -> None:
    lanes = part_sizes(cohort)[0]
    first = {n: p[:1] for n, p in cohort.parameters.items()}
    vector = program.arrange(program.flat.join(first), lanes)
    for name, rows in cohort.splits.items():
        x, y = (program.arrange(t[:1], lanes) for t in (rows.input, rows.target))
        program.measure(vector, x, y)
        if name == "train":
            program.measure(vector, x, y, last=True)
            size = cohort.batch
            batch = Rows(rows.input[:1, :size], rows.target[:1, :size])
            x, y = (program.arrange(t, lanes) for t in (batch.input, batch.target))
            if cohort.epochs:
                gradient, _ = program.gradient(vector, x, y)
                if gradient.shape != vector.shape:
                    raise CannotStack("the gradient does not reach every parameter")
