"""What an engine takes and returns: members of one shape, stacked."""

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

    input: (members, rows, features). target: (members, rows, outputs), with each row's weight as
    one more column in a weighted cohort.
    """

    input: Tensor
    target: Tensor

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.input.shape[1]


@dataclass(frozen=True)
class Batching:
    """The batches of an epoch.

    size: rows of a step; None for all at once. order: epoch -> row numbers (members, rows); None
    where rows are not shuffled.
    """

    size: int | None = None
    order: Callable[[int], Tensor] | None = None


@dataclass(frozen=True)
class Cohort:
    """Runs that differ only in numbers.

    - net: the structure; its own parameters are not read
    - parameters: name -> initial values (members, *shape)
    - train, validate: the splits; validate is None where no rows are held out
    - rule: the update rule, with its options bound
    - settings: name -> the rule's numbers, (members,), float64; `betas` is (members, 2)
    - epochs, log_every: of the training, and between logged points
    - clip: the largest norm of each member's gradient, (members,), or None
    - schedule: step -> factor of the learning rate, or None
    - measures: name -> function of (prediction, target), for both splits at every logged point
    - finals: the same, for the training split at the end
    - is_weighted: whether targets have the row's weight as a last column
    - has_sharpness: whether λmax of the training loss's Hessian is measured at every logged point
    - stability: one over the bound that λmax has, (members,), float64, for a schedule's factor of
      1; None where no formula gives one
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
    has_sharpness: bool = False
    stability: Tensor | None = None

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.train.input)

    @property
    def splits(self) -> dict[str, Rows]:
        """Prefix of the metrics ("train", "val") -> split. "val" may be missing."""
        return {"train": self.train} | ({} if self.validate is None else {"val": self.validate})

    def targets(self, rows: Rows) -> Tensor:
        """The targets of a split without weights, (members, rows, outputs)."""
        return rows.target[..., :-1] if self.is_weighted else rows.target

    @property
    def loss_of_rows(self) -> Function:
        """The loss as a function of a prediction and of a target as `Rows` has it."""
        loss = self.loss
        return (lambda p, y: loss(p, y[:, :-1], y[:, -1])) if self.is_weighted else loss

    def of_rows(self, measures: Mapping[str, Function]) -> Mapping[str, Function]:
        """Measures as functions of a target as `Rows` has it. They ignore weights."""
        if not self.is_weighted:
            return measures
        return {n: lambda p, y, of=of: of(p, y[:, :-1]) for n, of in measures.items()}

    @property
    def batch(self) -> int:
        """The rows of a step."""
        return min(self.batching.size or self.train.count, self.train.count)

    @property
    def steps(self) -> int:
        """The steps of the whole training."""
        return self.epochs * -(-self.train.count // self.batch)


@dataclass(frozen=True)
class Trained:
    """The result of training a cohort.

    - parameters: name -> (members, *shape), those of the best point under early stopping
    - diverged: a boolean per member
    - steps, epochs: (members,), how many were done; for a diverged member, up to the first loss
      that was not finite
    - kept: (members,), the step whose parameters were kept; -1 for the last one
    - stopped_early: a boolean per member: whether early stopping ended it before the last step
    - points: the logged steps
    - curves: name -> (points, members); a member's curve ends at its `steps`
    - last: name -> (members,), the metrics at `steps`
    - metrics: name -> (members,), the final metrics
    - seconds: for the whole cohort, including the time before a pause
    - paused: the members to go on from, if training paused before its end
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
        """A member's curve as a single run has it: "step" and each metric -> values."""
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
    """The user asked to stop. Members that were training are not kept."""


def nothing(_: int) -> None:
    """A `tick` that does nothing."""


def pad(values: Tensor, to: int) -> Tensor:
    """Repeat the last member until there are `to` of them; (members, …) -> (to, …)."""
    missing = to - len(values)
    if missing == 0:
        return values
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
