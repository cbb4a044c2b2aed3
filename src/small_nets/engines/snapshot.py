"""Paused members: all that training needs to go on after an epoch.

Everything is stored by member. So members that go on can be selected from several cohorts and
joined to a new one: a member's numbers depend neither on its place nor on the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

STATE = "state."  # prefix of the update rule's state, (members, numbers)
CURVE = "curve."  # prefix of a metric's curve, (members, points)


@dataclass(frozen=True)
class Paused:
    """Members after `epoch` epochs.

    points: the steps logged so far. members: name -> (members, …), on the CPU. A member that
    diverged or stopped before has its values from there.
    """

    epoch: int
    points: list[int]
    members: dict[str, Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> "Paused":
        """Rebuild from stored `members` and `header`. Raises KeyError where one is missing."""
        named = {name: tensors[name] for name in header["names"]}
        return cls(int(header["epoch"]), list(header["points"]), named)

    @property
    def header(self) -> dict[str, Any]:
        """What is stored as JSON beside `members`; it keeps the order of their names."""
        return {"epoch": self.epoch, "points": self.points, "names": list(self.members)}

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.members["steps"])

    @property
    def kinds(self) -> dict[str, torch.dtype]:
        """Name -> dtype, of `members`."""
        return {name: values.dtype for name, values in self.members.items()}

    @property
    def parameters(self) -> Tensor:
        """The parameters as vectors, (members, numbers)."""
        return self.members["parameters"]

    @property
    def state(self) -> dict[str, Tensor]:
        """The update rule's state: its own names -> (members, numbers)."""
        named = self.members.items()
        return {name.removeprefix(STATE): v for name, v in named if name.startswith(STATE)}

    def select(self, places: Sequence[int]) -> "Paused":
        """The members at these places, in this order."""
        index = torch.tensor(places, dtype=torch.int64)
        return Paused(self.epoch, self.points, {n: v[index] for n, v in self.members.items()})

    def _up_to(self, points: Sequence[int]) -> dict[str, Tensor]:
        """`members`, with their curves extended to all of these points.

        A cohort stops logging when no member trains any more. Values do not change after that.
        """
        missing = len(points) - len(self.points)
        return {
            name: torch.cat([v, v[:, -1:].expand(-1, missing)], 1) if name.startswith(CURVE) else v
            for name, v in self.members.items()
        }


def concatenate(parts: Sequence[Paused]) -> Paused:
    """Join the members of several parts.

    Raises ValueError where the parts differ in epoch, rule, metrics or logged steps, and
    RuntimeError where their nets have different sizes.
    """
    longest = max((part.points for part in parts), key=len)
    for part in parts:
        one, other = (part.epoch, part.kinds), (parts[0].epoch, parts[0].kinds)
        if one != other:
            raise ValueError(f"{one} and {other} are not parts of one cohort")
        if part.points != longest[: len(part.points)]:
            raise ValueError(f"logged at other steps: {part.points} and {longest}")
    several = [part._up_to(longest) for part in parts]
    return Paused(
        parts[0].epoch, longest, {n: torch.cat([m[n] for m in several]) for n in several[0]}
    )


def last_epoch(epochs: int, since: Paused | None, until: int | None) -> int:
    """The epoch at which training stops: `until`, or `epochs` if it is None.

    Raises ValueError for an `until` that is not reached from `since`.
    """
    first = 1 if since is None else since.epoch
    if until is None:
        return epochs
    if not first <= until <= epochs:
        raise ValueError(f"until={until} is not from {first} to {epochs}, the last epoch")
    return until
