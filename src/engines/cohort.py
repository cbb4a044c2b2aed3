"""What an engine is given and what it gives back: members of one shape, stacked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from src.engines.paused import Paused

Function = Callable[[Tensor, Tensor], Tensor]


class Rule(Protocol):
    """An update rule in two halves: a step's numbers, and what they do to the parameters."""

    @property
    def coefficients(self) -> Callable[..., dict[str, Any]]:
        """(step from 1, **settings) -> numbers, float64 like the settings."""
        ...

    @property
    def update(self) -> Callable[..., tuple[Tensor, dict[str, Tensor]]]:
        """(parameters, gradient, state, **numbers) -> new parameters and state."""
        ...


@dataclass(frozen=True)
class Rows:
    """One split of every member, in normalised units.

    input: (members, rows, features); target: (members, rows, outputs).
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
class Stopping:
    """Early stopping: logged points without an improvement by more than min_delta."""

    patience: int
    min_delta: float = 0.0


@dataclass(frozen=True)
class Cohort:
    """Runs that share everything but numbers.

    net: the structure, its own parameters are not read. parameters: name -> (members, *shape).
    measures: name -> function of (prediction, target), evaluated on both splits at every
    logged point beside the loss. finals: the same at the end, on the training split.
    rule: the update rule, with options that are the same for all bound already.
    settings: the rule's numbers by name, (members,) in float64; `betas` is (members, 2).
    clip: the largest norm of each member's gradient, (members,), or None.
    schedule: step -> factor of the learning rate. validate: rows held out.
    """

    net: nn.Module
    loss: Function
    parameters: dict[str, Tensor]
    train: Rows
    rule: Rule
    settings: Mapping[str, Tensor]
    epochs: int
    log_every: int
    validate: Rows | None = None
    batching: Batching = Batching()
    clip: Tensor | None = None
    schedule: Callable[[int], float] | None = None
    stopping: Stopping | None = None
    measures: Mapping[str, Function] = field(default_factory=dict)
    finals: Mapping[str, Function] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Members."""
        return len(self.train.input)

    @property
    def splits(self) -> dict[str, Rows]:
        """The splits by the prefix of their metrics."""
        return {"train": self.train} | ({} if self.validate is None else {"val": self.validate})

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
    were kept, -1 for the last one.
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
