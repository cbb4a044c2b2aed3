"""Members between two epochs: all that training goes on from, whichever lanes it was in.

Member by member, so that those who go on can be picked out of several cohorts and put together
anew: an engine's numbers depend neither on a member's place nor on its company.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

STATE = "state."  # of the update rule: (members, numbers)
CURVE = "curve."  # of a metric: (members, points)


@dataclass(frozen=True)
class Paused:
    """Members after `epoch` epochs.

    points: the steps logged so far. members: name -> (members, …), on the CPU; of those who
    diverged or stopped before, where they ended.
    """

    epoch: int
    points: list[int]
    members: dict[str, Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> "Paused":
        """From `members` and `header`, as they were stored or sent. KeyError for half of them."""
        named = {name: tensors[name] for name in header["names"]}
        return cls(int(header["epoch"]), list(header["points"]), named)

    @property
    def header(self) -> dict[str, Any]:
        """What JSON takes, to go with `members`; they come back in this order of names."""
        return {"epoch": self.epoch, "points": self.points, "names": list(self.members)}

    @property
    def size(self) -> int:
        """Members."""
        return len(self.members["steps"])

    @property
    def kinds(self) -> dict[str, torch.dtype]:
        """Of what there is."""
        return {name: values.dtype for name, values in self.members.items()}

    @property
    def parameters(self) -> Tensor:
        """(members, numbers)."""
        return self.members["parameters"]

    @property
    def state(self) -> dict[str, Tensor]:
        """The update rule's, by its own names: (members, numbers)."""
        named = self.members.items()
        return {name.removeprefix(STATE): v for name, v in named if name.startswith(STATE)}

    def select(self, places: Sequence[int]) -> "Paused":
        """Some of the members, in the order given."""
        index = torch.tensor(places, dtype=torch.int64)
        return Paused(self.epoch, self.points, {n: v[index] for n, v in self.members.items()})

    def _up_to(self, points: Sequence[int]) -> dict[str, Tensor]:
        """The members, their curves as long as so many points.

        Logging ends where nobody runs any more; what stands still is measured as it was.
        """
        missing = len(points) - len(self.points)
        return {
            name: torch.cat([v, v[:, -1:].expand(-1, missing)], 1) if name.startswith(CURVE) else v
            for name, v in self.members.items()
        }


def concatenate(parts: Sequence[Paused]) -> Paused:
    """All members, one part after the other.

    Raises ValueError unless the parts belong together: of one epoch, rule, metrics and rhythm of
    logging; RuntimeError where their nets have different sizes.
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
    """Where training stops that goes on from one pause, to the next. Raises ValueError."""
    first = 1 if since is None else since.epoch
    if until is None:
        return epochs
    if not first <= until <= epochs:
        raise ValueError(f"until={until} is not from {first} to {epochs}, the last epoch")
    return until
