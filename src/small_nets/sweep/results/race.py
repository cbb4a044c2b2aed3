"""A race: settings that cannot be told from the best get more seeds, until one is left.

Each look at the runs is a chance to tell equal settings apart. So the error is shared out: of K
looks each is taken at 1/K of it (Bonferroni), and the whole race has the error that was asked for.
The seeds double from look to look, so that there are few looks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from small_nets.stats.comparison import told_from_best
from small_nets.stats.distributions import Array
from small_nets.stats.intervals import FEWEST

Scores = Mapping[Any, float]  # seeds -> what a setting is compared by, less being better


@dataclass(frozen=True)
class Race:
    """until: the error of the whole race. most, first: seeds of the last and the first look."""

    until: float
    most: int
    first: int

    @property
    def looks(self) -> list[int]:
        """The seeds of each look."""
        found = [self.first]
        while found[-1] < self.most:
            found.append(min(2 * found[-1], self.most))
        return found

    @property
    def level(self) -> float:
        """The error of one look."""
        return self.until / len(self.looks)


def read_race(stored: object) -> Race | None:
    """The race that a sweep's file tells of; None for anything else."""
    if not isinstance(stored, Mapping):
        return None
    until, most, first = (stored.get(key) for key in ("until", "most", "first"))
    is_race = isinstance(until, float) and 0 < until < 1 and type(most) is int and (
        type(first) is int and FEWEST <= first < most <= 10**6)  # fmt: skip
    return Race(until, most, first) if is_race else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Standing:
    """How a race stands.

    told: of each setting the seeds after which it was told from the best; None where it was not.
    seeds: of the last look; 0 before the first.
    """

    told: tuple[int | None, ...]
    seeds: int


def standing_of(
    settings: Sequence[Scores], order: Callable[[Array], tuple[float, ...]], race: Race
) -> Standing:
    """Run the race over what is trained. Every look takes the first seeds, in their order.

    A look for which a setting that is still in the race lacks seeds is not taken. order: what
    settings are sorted by, of the scores of one. The answer is the same at every call.
    """
    told: list[int | None] = [None] * len(settings)
    seeds, seen = sorted({seed for scores in settings for seed in scores}), 0
    for look in race.looks:
        left = [i for i, at in enumerate(told) if at is None]
        taken = seeds[:look]
        whole = len(taken) == look and all(s in settings[i] for i in left for s in taken)
        if len(left) < 2 or not whole:
            break
        scores = np.array([[settings[i][s] for i in left] for s in taken])
        best = min(range(len(left)), key=lambda i: order(scores[:, i]))
        for i, is_told in zip(left, told_from_best(scores, best, race.level), strict=True):
            told[i] = look if is_told else None
        seen = look
    return Standing(tuple(told), seen)
