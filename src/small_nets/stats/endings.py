"""Where many runs end at the same loss: at a minimum that stops them, or at the one they seek.

Losses are positive and of many magnitudes, so they are parted on a log scale. Where the sorted
values have a wide gap, one ending stops and the next begins. No kernel is put over them: stuck
nets share their loss to four digits, others spread over a decade, and one width suits neither.
"""

import math
from dataclasses import dataclass

import numpy as np

from small_nets.stats.distributions import Array

GAP = math.log(1.2)  # between two endings
LEAST = 0.005  # of all values; a rarer ending is none


@dataclass(frozen=True)
class Ending:
    """low, high: its least and its greatest value. middle: the median. count: of the values."""

    low: float
    high: float
    middle: float
    count: int


def endings_of(values: Array) -> list[Ending]:
    """The endings of positive values, (n,), the least first; what is rarer is in none of them.

    Values that are not positive or not finite are left out.
    """
    known = np.sort(values[np.isfinite(values) & (values > 0)])
    if not len(known):
        return []
    parts = np.split(known, np.flatnonzero(np.diff(np.log(known)) > GAP) + 1)
    return [
        Ending(float(part[0]), float(part[-1]), float(np.median(part)), len(part))
        for part in parts
        if len(part) >= max(LEAST * len(known), 2)
    ]
