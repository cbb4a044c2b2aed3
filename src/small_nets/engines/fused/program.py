"""The fused program of a cohort: its kernels, and how its numbers are arranged for them."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import torch
from torch import Tensor

from small_nets.config.components import ACTIVATIONS
from small_nets.engines.cohort import Cohort, pad
from small_nets.engines.fused.codegen.architecture import ROWS, Architecture, read
from small_nets.engines.fused.codegen.emitter import LANES
from small_nets.engines.fused.codegen.kernel import Update
from small_nets.engines.fused.codegen.network import OUTPUTS, depth_for
from small_nets.engines.fused.compiler import Kernels, Wanted, is_there, load
from small_nets.engines.stacked.trace import Flat
from small_nets.engines.unsupported import CannotFuse

SIZES = {torch.float32: 4, torch.float64: 8}


@dataclass(frozen=True)
class Places:
    """Which row stands at each place of an epoch, (batches, blocks, depth, lanes).

    rows: positions in the epoch's order; padding repeats a row. real: a boolean per place: whether
    it is not padding.
    """

    rows: Tensor
    real: Tensor

    @property
    def blocks(self) -> int:
        """The blocks of a batch."""
        return self.rows.shape[1]

    @property
    def batches(self) -> int:
        """The batches of an epoch."""
        return self.rows.shape[0]


@dataclass(frozen=True)
class Program:
    """The kernels of a cohort, and the arrangement of tensors that they take."""

    architecture: Architecture
    update: Update
    depth: int
    flat: Flat

    @property
    def dtype(self) -> torch.dtype:
        """The kernels' dtype."""
        return torch.float32 if self.architecture.size == 4 else torch.float64

    @cached_property
    def lanes(self) -> int:
        """The numbers of a vector."""
        return LANES[self.architecture.size]

    @cached_property
    def wanted(self) -> Wanted:
        """What identifies the kernels."""
        return Wanted(self.architecture, self.update, self.depth)

    @property
    def is_compiled(self) -> bool:
        """Whether the kernels were compiled before."""
        return is_there(self.wanted)

    @cached_property
    def kernels(self) -> Kernels:
        """The kernels, compiled or read from the disk."""
        return load(self.wanted)

    def units(self, members: int) -> int:
        """The units of work of so many members: one for each, or one for as many as lanes."""
        return members if self.architecture.rows_in_lanes else -(-members // self.lanes)

    def spread(self, values: Tensor) -> Tensor:
        """(members, *shape) to (units, *shape, lanes): a member fills one lane, or all of them."""
        if self.architecture.rows_in_lanes:
            return values.unsqueeze(-1).expand(*values.shape, self.lanes).contiguous()
        full = pad(values, self.units(len(values)) * self.lanes)
        return full.view(-1, self.lanes, *values.shape[1:]).movedim(1, -1).contiguous()

    def members(self, values: Tensor, size: int) -> Tensor:
        """(units, lanes) to (members,)."""
        return values[:, 0] if self.architecture.rows_in_lanes else values.reshape(-1)[:size]

    def arrange(self, matrix: Tensor) -> Tensor:
        """Vectors of parameters, (members, numbers), to (units, vectors, lanes)."""
        if self.architecture.rows_in_lanes:
            missing = -matrix.shape[1] % self.lanes
            return torch.nn.functional.pad(matrix, (0, missing)).view(len(matrix), -1, self.lanes)
        return self.spread(matrix)

    def restore(self, values: Tensor, size: int) -> Tensor:
        """The reverse of `arrange`: (members, numbers)."""
        if self.architecture.rows_in_lanes:
            return values.reshape(len(values), -1)[:, : self.architecture.numbers]
        return values.transpose(1, 2).reshape(-1, values.shape[1])[:size]

    def places(self, rows: int, batch: int) -> Places:
        """The places of an epoch of `rows` rows, in batches of `batch`."""
        across = self.lanes if self.architecture.rows_in_lanes else 1
        blocks = -(-min(batch, rows) // (self.depth * across))
        batches = -(-rows // batch)
        inside = torch.arange(blocks * self.depth * across).view(1, blocks, self.depth, across)
        first = torch.arange(batches).view(-1, 1, 1, 1) * batch
        count = (rows - first).clamp(max=batch)
        real = inside < count
        return Places(first + inside.clamp(max=count - 1), real.expand(batches, -1, -1, -1))

    def rows(self, values: Tensor, places: Tensor) -> Tensor:
        """(members, rows, width) to (units, batches, blocks, width, depth, lanes).

        places: `Places.rows`, or that with a first axis of members where each has its own order.
        """
        own = places.dim() > 4
        index = places.flatten(1) if own else places.flatten()[None].expand(len(values), -1)
        found = values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))
        shape = places.shape[1:] if own else places.shape
        found = found.view(len(values), *shape, values.shape[2])
        if self.architecture.rows_in_lanes:  # (members, batches, blocks, depth, lanes, width)
            return found.permute(0, 1, 2, 5, 3, 4).contiguous()
        return self.spread(found.squeeze(4).transpose(3, 4))

    def targets(self, values: Tensor, places: Tensor, real: Tensor, by_row: bool) -> Tensor:
        """Arrange targets as `rows` does. Weights are scaled to the mean 1 in each batch.

        real: see `Places`, for one epoch. by_row: whether the loss is a weighted mean; otherwise
        weights stay as they are.
        """
        found = self.rows(values, places)
        if self.architecture.weighted and by_row:
            each = found[:, :, :, -1]  # (units, batches, blocks, depth, lanes)
            counted = real.repeat(each.shape[1] // len(real), 1, 1, 1)
            # Added one after the other, so that the sum does not depend on the number of members.
            parts = (each * counted).flatten(2, 3).unbind(2)
            total = reduce(operator.add, parts)  # (units, batches, lanes)
            if self.architecture.rows_in_lanes:
                total = reduce(operator.add, total.unbind(-1))[..., None]
            rows = counted.sum(dim=(1, 2, 3))[:, None].to(each)
            found[:, :, :, -1] = each * (rows / total)[:, :, None, None]
        return found

    def weights(self, real: Tensor, by_row: bool) -> Tensor:
        """The weight of each row in its batch's mean, (batches, blocks, depth, lanes).

        It is 0 for padding. by_row: for a mean over rows, not over all elements.
        """
        counted = real.sum(dim=(1, 2, 3), keepdim=True).double()
        each = counted if by_row else counted * self.architecture.outputs
        found = torch.where(real, 1 / each, 0.0).to(self.dtype)
        return found.expand(*found.shape[:3], self.lanes).contiguous()


def lower(cohort: Cohort) -> Program:
    """Make the program for cohorts of these shapes. Raises CannotFuse with the reason."""
    dtype = cohort.train.input.dtype
    if cohort.train.input.device.type != "cpu":
        raise CannotFuse("the fused kernels are for the CPU")
    if dtype not in SIZES:
        raise CannotFuse(f"no kernel for {dtype}")
    layers = read(cohort.net)
    loss = cohort.loss
    if loss.rows is None:
        raise CannotFuse(f"the kernels have no form of the loss {loss.name}")
    if set(cohort.measures) - {"accuracy"}:
        raise CannotFuse(f"no kernel measures {', '.join(cohort.measures)}")
    if loss.facts.compares == "probabilities" and not (
        ACTIVATIONS[layers[-1].activation].is_probability
    ):
        raise CannotFuse("binary cross-entropy of an output that may not be a probability")
    if layers[-1].outputs > OUTPUTS:
        raise CannotFuse(f"it has more than {OUTPUTS} outputs")
    architecture = Architecture(
        layers, loss.rows, SIZES[dtype], rows_in_lanes=cohort.batch >= ROWS,
        clips=cohort.clip is not None, accuracy=bool(cohort.measures),
        weighted=cohort.is_weighted,
    )  # fmt: skip
    depth = depth_for(architecture, cohort.batch)
    if depth == 0:
        raise CannotFuse("its layers are too wide for the stack of a thread")
    program = Program(architecture, lower_rule(cohort), depth, Flat(cohort.net))
    if not is_there(program.wanted):
        _ = program.wanted.text  # raises CannotFuse here, not when it is compiled
    return program


def columns(settings: Mapping[str, Tensor]) -> dict[str, Any]:
    """A rule's numbers as the rule takes them: `betas` as a pair of columns."""
    return {n: tuple(v.unbind(1)) if v.dim() == 2 else v for n, v in settings.items()}


def lower_rule(cohort: Cohort) -> Update:
    """The cohort's rule for a kernel. Its state and coefficients are found by one update."""
    settings = columns({name: values[:1] for name, values in cohort.settings.items()})
    steps = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    if cohort.schedule is not None:
        settings["lr"] = settings["lr"].expand(2, 1)
    found = cohort.rule.coefficients(steps, **settings)
    varying = tuple(n for n, v in found.items() if isinstance(v, Tensor) and v.dim() == 2)
    constant = tuple(n for n in found if n not in varying)
    zero = torch.zeros(1, dtype=torch.float64)
    numbers = {n: v[0] if n in varying else v for n, v in found.items()}
    _, state = cohort.rule.update(zero, zero, {}, **numbers)
    clip: Sequence[str] = () if cohort.clip is None else ("clip",)
    return Update(cohort.rule.update, tuple(state), (*constant, *clip), varying)
