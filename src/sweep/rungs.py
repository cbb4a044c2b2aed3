"""Successive halving (Jamieson and Talwalkar, 2016): when to stop, and which settings. Pure.

Runs are compared where all of them have come to a rung, a number of epochs; those whose settings
rank too low there stop, and the others go on.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any, Generic, TypeVar

from src.errors import InputError
from src.values import show

Setting = TypeVar("Setting", bound=Hashable)


@dataclass(frozen=True)
class Halving:
    """`sweep.halving`: at each rung one of `factor` settings goes on. first: epochs of a rung."""

    factor: float = 3
    first: int = 100


@dataclass(frozen=True)
class Ranks(Generic[Setting]):
    """of: the place of every setting, 1 for the best, in that order. count: how many go on."""

    of: dict[Setting, int]
    count: int

    @property
    def going(self) -> list[Setting]:
        """Those who go on, the best first."""
        return list(self.of)[: self.count]


def rungs(first: int, factor: float, epochs: int) -> list[int]:
    """The epochs below `epochs` at which runs are compared: each `factor` times the one before.

    Whole numbers, rounded up, so that each is more than the one before.
    """
    found: list[int] = []
    at = first
    while at < epochs:
        found.append(at)
        at = math.ceil(at * _exactly(factor))
    return found


def survivors(
    values: Mapping[Setting, Sequence[float]], factor: float, higher_is_better: bool
) -> Ranks[Setting]:
    """Rank settings by the median of a metric over their seeds; one of `factor` goes on.

    values: of the runs of each setting; one that is not finite diverged, and is the worst there
    is. Of settings that are equal, the one given first is ahead. At least one goes on.
    """
    ahead = sorted(values, key=lambda setting: _median(values[setting], higher_is_better))
    return Ranks(
        {setting: place for place, setting in enumerate(ahead, 1)},
        math.ceil(len(ahead) / _exactly(factor)),
    )


def _median(values: Sequence[float], higher_is_better: bool) -> float:
    """The less, the better; of no runs the worst."""
    sign = -1 if higher_is_better else 1
    return median([sign * v if math.isfinite(v) else math.inf for v in values] or [math.inf])


def _exactly(factor: float) -> Fraction:
    """As it was typed: 100 * 1.1 is 110.00000000000001, and would be rounded up to 111."""
    return Fraction(repr(factor))


def check_halving(halving: Mapping[str, Any] | None, max_epochs: int) -> None:
    """Raises InputError where every run ends before the first rung.

    halving: a value that `sweep.halving` may have.
    """
    if halving is None or Halving(**halving).first < max_epochs:
        return
    found = Halving(**halving)
    sooner = {"factor": found.factor, "first": max(math.ceil(max_epochs / 10), 1)}
    instead = "null" if max_epochs < 2 else f"'{show(sooner)}'"
    raise InputError(
        f"sweep.halving={show(dict(halving))} stops runs for the first time after {found.first} "
        f"epochs, but trainer.max_epochs={max_epochs}: all have ended by then.\n"
        f"Allowed: first below trainer.max_epochs\nFix: sweep.halving={instead}"
    )


def check_batches(halving: Mapping[str, Any] | None, max_batch_size: int | None) -> None:
    """Raises InputError where a halved sweep would come in batches: each would be halved alone."""
    if halving is not None and max_batch_size is not None:
        raise InputError(
            "sweep.halving compares all settings of a sweep, and hydra.sweeper.max_batch_size="
            f"{max_batch_size} would cut it into batches.\nFix: without hydra.sweeper."
            "max_batch_size (a sweep is cut into parts by itself)"
        )
