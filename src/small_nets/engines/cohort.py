"""What an engine is given and what it gives back: members of one shape, stacked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from small_nets.engines.snapshot import Paused
from small_nets.nn.early_stopping import EarlyStop
from small_nets.nn.losses import Loss
from small_nets.nn.update_rules import UpdateRule

Function = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Rows:
    """One split of every member, in normalised units.

    input: (members, rows, features); target: (members, rows, outputs), or one more.
    """

    input: Tensor
    target: Tensor

    @property
    def count(self) -> int:
        return self.input.shape[1]


@dataclass(frozen=True)
class Batching:
    """Rows a step (None: all at once), and the order of an epoch.

    order: epoch -> row numbers (members, rows), or None for the rows as they stand.
    """

    size: int | None = None
    order: Callable[[int], Tensor] | None = None


@dataclass(frozen=True)
class Cohort:
    """Runs that share everything but numbers.

    net: the structure, its own parameters are not read. parameters: name -> (members, *shape).
    measures: name -> function of (prediction, target), evaluated on both splits at every
    logged point beside the loss. finals: the same at the end, on the training split.
    rule: the update rule, with options that are the same for all bound already.
    settings: the rule's numbers by name, (members,) in float64; `betas` is (members, 2).
    is_weighted: whether a target has the row's weight in the loss as a last column.
    clip: the largest norm of each member's gradient, (members,), or None.
    schedule: step -> factor of the learning rate. validate: rows held out.
    """

    net: nn.Module
    loss: Loss
    parameters: dict[str, Tensor]
    train: Rows
    rule: UpdateRule
    settings: Mapping[str, Tensor]
    epochs: int
    log_every: int
    validate: Rows | None = None
    batching: Batching = Batching()
    clip: Tensor | None = None
    schedule: Callable[[int], float] | None = None
    stopping: EarlyStop | None = None
    measures: Mapping[str, Function] = field(default_factory=dict)
    finals: Mapping[str, Function] = field(default_factory=dict)
    is_weighted: bool = False

    @property
    def size(self) -> int:
        """Members."""
        return len(self.train.input)

    @property
    def splits(self) -> dict[str, Rows]:
        """The splits by the prefix of their metrics."""
        return {"train": self.train} | ({} if self.validate is None else {"val": self.validate})

    def targets(self, rows: Rows) -> Tensor:
        """Those of a split without the weights behind them, (members, rows, outputs)."""
        return rows.target[..., :-1] if self.is_weighted else rows.target

    @property
    def loss_of_rows(self) -> Function:
        """The loss of a prediction and of a target as `Rows` has it."""
        loss = self.loss
        return (lambda p, y: loss(p, y[:, :-1], y[:, -1])) if self.is_weighted else loss

    def of_rows(self, measures: Mapping[str, Function]) -> Mapping[str, Function]:
        """Measures of the same, which no weight changes."""
        if not self.is_weighted:
            return measures
        return {n: lambda p, y, of=of: of(p, y[:, :-1]) for n, of in measures.items()}

    @property
    def batch(self) -> int:
        """Rows a step."""
        return min(self.batching.size or self.train.count, self.train.count)

    @property
    def steps(self) -> int:
        """Steps of each member."""
        return self.epochs * -(-self.train.count // self.batch)


@dataclass(frozen=True)
class Trained:
    """What became of each member.

    parameters: name -> (members, *shape), the kept ones where early stopping kept any.
    diverged: (members,) bool. steps, epochs: (members,), those done; of a diverged member the
    steps after which its loss was not finite. kept: (members,), the step whose parameters
    were kept, -1 for the last one. stopped_early: (members,) bool, whom early stopping ended before
    the last step.
    points: the logged steps, curves: name -> (points, members), of which a member's are those
    up to `steps`. last: name -> (members,), the losses at `steps`.
    metrics: name -> (members,), the final ones. seconds: of the whole cohort, those before a
    pause included. paused: what training goes on from, if it was to stop before its end.
    """

    parameters: dict[str, Tensor]
    diverged: Tensor
    steps: Tensor
    epochs: Tensor
    kept: Tensor
    stopped_early: Tensor
    points: list[int]
    curves: dict[str, Tensor]
    last: dict[str, Tensor]
    metrics: dict[str, Tensor]
    seconds: float
    paused: Paused | None = None

    def curve(self, member: int) -> dict[str, list[float]]:
        """A member's logged points, as a single run would have them: "step" and each metric."""
        end = int(self.steps[member])
        count = sum(step <= end for step in self.points)
        steps: list[float] = list(self.points[:count])
        found = {name: values[:count, member].tolist() for name, values in self.curves.items()}
        if not steps or steps[-1] != end:
            steps.append(end)
            for name, values in found.items():
                values.append(self.last[name][member].item())
        return {"step": steps} | found


class Interrupted(Exception):
    """The user asked to stop; what was in flight is not kept."""


def nothing(_: int) -> None:
    """For engines that nobody watches."""


def pad(values: Tensor, to: int) -> Tensor:
    """Repeat the last member until there are `to` of them; (members, …) -> (to, …)."""
    missing = to - len(values)
    if missing == 0:
        return values
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
