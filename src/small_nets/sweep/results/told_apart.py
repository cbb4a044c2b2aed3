"""Which settings of a ranking can be told from the best one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from small_nets.stats.comparison import LEVEL, told_from_best, wins_of
from small_nets.stats.intervals import FEWEST
from small_nets.sweep.results.race import Standing
from small_nets.sweep.results.ranking import Ranked, standing
from small_nets.sweep.results.standard import Standard


@dataclass(frozen=True)
class Beside:
    """A setting beside the best. seeds: under which both were trained.

    is_told: whether it is worse than the best beyond chance; None where nothing can be said. wins:
    in how many of the seeds the best is better, ties as halves.
    """

    seeds: int
    is_told: bool | None
    wins: float

    @property
    def is_alike(self) -> bool | None:
        """Whether it cannot be told from the best; None where nothing can be said."""
        return None if self.is_told is None else not self.is_told


def beside_best(ranked: Sequence[Ranked], standard: Standard) -> list[Beside]:
    """Each setting of a ranking by the standard, whose first is the best, beside the first.

    All that are compared are compared under the seeds that all of them share. So where some have
    more seeds, those that are not told apart are compared again under more. Settings with fewer
    than FEWEST seeds in common with the best are not compared. LEVEL is the error of the whole
    answer: how often it tells any setting apart where all are equal. Of a race the answer is the
    race's, with its error.
    """
    if not ranked:
        return []
    race = standing(ranked, standard)
    if race is not None and race.seeds:
        return _raced(ranked, race)
    best = ranked[0]
    shared = [[s for s in best.scores if s in r.scores] for r in ranked]
    found = [
        Beside(len(seeds), None, _wins(best, r, seeds))
        for r, seeds in zip(ranked, shared, strict=True)
    ]
    if best.n == 0 or best.stopped or not np.isfinite(best.worth):
        return found
    left = [i for i, r in enumerate(ranked)
            if i == 0 or (len(shared[i]) >= FEWEST and r.stopped is None)]  # fmt: skip
    left = left if len(shared[0]) >= FEWEST else []
    seen = 0
    while len(left) > 1:
        seeds = [s for s in best.scores if all(s in ranked[i].scores for i in left)]
        while len(seeds) < FEWEST:
            fewest = min(left[1:], key=lambda i: len(shared[i]))
            left.remove(fewest)
            seeds = [s for s in best.scores if all(s in ranked[i].scores for i in left)]
        if len(left) < 2 or len(seeds) <= seen:
            break
        seen = len(seeds)
        scores = np.array([[ranked[i].scores[s] for i in left] for s in seeds])
        told = told_from_best(scores, 0, LEVEL)
        for i, is_told in zip(left, told.tolist(), strict=True):
            found[i] = Beside(found[i].seeds, is_told, found[i].wins)
        left = [i for i, is_told in zip(left, told.tolist(), strict=True) if not is_told]
    return found


def is_raced(ranked: Sequence[Ranked], standard: Standard) -> bool:
    """Whether the verdicts are those of a race."""
    race = standing(ranked, standard)
    return race is not None and race.seeds > 0


def _raced(ranked: Sequence[Ranked], race: Standing) -> list[Beside]:
    best = ranked[0]
    found = []
    for r, told in zip(ranked, race.told, strict=True):
        seeds = [s for s in sorted(best.scores)[: told or race.seeds] if s in r.scores]
        found.append(Beside(len(seeds), told is not None, _wins(best, r, seeds)))
    return found


def _wins(best: Ranked, other: Ranked, seeds: Sequence[tuple[Any, ...]]) -> float:
    pairs = np.array([(best.scores[s], other.scores[s]) for s in seeds]).reshape(-1, 2)
    return float(wins_of(pairs[:, :1], pairs[:, 1:])[0])
