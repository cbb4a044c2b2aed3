"""A cohort's mathematics, lowered: the functions that advance and measure all members at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from src.engines.cohort import Cohort, Function, Rows, pad
from src.engines.lanes import LANES, CannotWiden, leading, widen
from src.engines.trace import Flat, trace_measures, trace_step

Layout = Literal["last", "first"]
CACHE = 1 << 20  # bytes of one core's second cache, which a part's layers should not pass
MOST = 1024  # lanes beyond which a step's fixed cost is spread thin enough
BLAS = 4096  # multiplications of a matrix product from which a call of BLAS pays


class CannotStack(Exception):
    """Why runs of this kind cannot be trained as one array program."""


def _linears(net: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]


def choose_layout(net: nn.Module, rows: int) -> Layout:
    """Members on the last axis, unless the net's matrix products are worth a call each."""
    products = [rows * i * o for i, o in _linears(net) if min(i, o) > 1]
    return "first" if max(products, default=0) > BLAS else "last"


@dataclass
class Program:
    """Functions of (vector, x, y) over all members, made once for each number of rows.

    The members' axis is the last of every tensor, or the first, by `layout`.
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
        """Of the members, in every tensor that the functions take."""
        return -1 if self.layout == "last" else 0

    def arrange(self, values: Tensor, lanes: int) -> Tensor:
        """(members, …) to this program's arrangement, padded to `lanes` members."""
        padded = pad(values, lanes)
        return padded if self.axis == 0 else padded.movedim(0, -1).contiguous()

    def restore(self, values: Tensor, members: int) -> Tensor:
        """The way back."""
        return (values if self.axis == 0 else values.movedim(-1, 0))[:members]

    def each(self, values: Tensor) -> Tensor:
        """(members,) so that it broadcasts against (numbers of) all members' parameters."""
        return values if self.axis == -1 else values[:, None]

    def over_numbers(self, values: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
        """Reduce each member's vector: the whole matrix to (members,)."""
        return reduce(values, dim=0 if self.axis == -1 else 1)

    def _member(self, values: Tensor) -> Tensor:
        return values.select(self.axis, 0).contiguous()

    def gradient(self, vector: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient, like vector, and loss, (members,)."""
        key = ("gradient", x.shape, vector.shape)
        if key not in self.made:
            member = trace_step(self.net, self.loss, *map(self._member, (vector, x, y)))
            self.made[key] = self._lower(member, (vector, x, y), self.compiled)
        return self.made[key](vector, x, y)

    def measure(self, vector: Tensor, x: Tensor, y: Tensor, last: bool = False) -> list[Tensor]:
        """The loss and each measure, (members,); with last, the final ones instead."""
        key = ("finals" if last else "measures", x.shape, vector.shape)
        if key not in self.made:
            wanted = self.finals if last else {"loss": self.loss, **self.measures}
            example = tuple(map(self._member, (vector, x, y)))
            member = trace_measures(self.net, wanted, *example)
            self.made[key] = self._lower(member, (vector, x, y), False)
        return self.made[key](vector, x, y)

    def _lower(self, member: GraphModule, example: Any, fused: bool) -> Callable[..., Any]:
        if self.layout == "last":
            try:
                return widen(member, fused)
            except CannotWiden:
                self.layout = "first"  # noticed while nothing is arranged: `prepare` tries all
                raise
        return leading(member, example)


def lower(cohort: Cohort, compiled: bool = False, layout: Layout | None = None) -> Program:
    """The program for cohorts like this one, tried on one step of its first member.

    Raises CannotStack, with the reason.
    """
    rows = cohort.batching.size or cohort.train.count
    first = choose_layout(cohort.net, rows) if layout is None else layout
    reasons = []
    for option in [first] if first == "first" else [first, "first"]:
        program = Program(
            cohort.net, cohort.loss, cohort.measures, cohort.finals, option, compiled,
            Flat(cohort.net),
        )  # fmt: skip
        try:
            _try(program, cohort)
        except Exception as error:
            # torch refuses in many classes; whichever it is, its first line is the reason.
            reasons.append(f"{type(error).__name__}: {(str(error) or '?').splitlines()[0]}")
        else:
            return program
    raise CannotStack(reasons[-1])


def _try(program: Program, cohort: Cohort) -> None:
    vector = program.arrange(
        program.flat.join({n: p[:1] for n, p in cohort.parameters.items()}), LANES
    )
    for name, rows in cohort.splits.items():
        x, y = (program.arrange(t[:1], LANES) for t in (rows.input, rows.target))
        program.measure(vector, x, y)
        if name == "train":
            program.measure(vector, x, y, last=True)
            size = cohort.batching.size or rows.count
            batch = Rows(rows.input[:1, :size], rows.target[:1, :size])
            x, y = (program.arrange(t, LANES) for t in (batch.input, batch.target))
            if cohort.epochs:
                gradient, _ = program.gradient(vector, x, y)
                if gradient.shape != vector.shape:
                    raise CannotStack("the gradient does not reach every parameter")


def bytes_per_member(cohort: Cohort) -> int:
    """What a member needs while it trains: its rows, its layers' values, its parameters."""
    size = cohort.train.input.element_size()
    rows = sum(s.count * (s.input.shape[2] + s.target.shape[2]) for s in cohort.splits.values())
    batch = cohort.batching.size or cohort.train.count
    widths = sum(o for _, o in _linears(cohort.net)) or 1
    points = cohort.epochs // cohort.log_every + 2
    curves = points * len(cohort.splits) * (1 + len(cohort.measures)) * 8
    numbers = sum(p[0].numel() for p in cohort.parameters.values())
    # Four copies of each layer: value, gradient, and what an operation makes of them.
    return size * (2 * rows + 4 * batch * widths + 12 * numbers) + 2 * curves


def usual_lanes(cohort: Cohort) -> int:
    """Members a part: as many as keep one layer's values in the cache; by shapes alone."""
    batch = cohort.batching.size or cohort.train.count
    widest = max((o for _, o in _linears(cohort.net)), default=1)
    fit = CACHE // (batch * widest * cohort.train.input.element_size())
    return min(max(fit // LANES * LANES, LANES), MOST)


def lanes_for(members: int) -> int:
    """The members of a part and its padding: a multiple of LANES."""
    return -(-members // LANES) * LANES


