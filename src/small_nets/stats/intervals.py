"""Intervals of a median, a share and a mean. What is written on each is what it holds.

A median's interval is of order statistics and holds whatever the distribution (David and Nagaraja,
Order Statistics, 2003, 7.1). A mean's is exact for normal values only: one in ten seeds that is
stuck at a large loss may be missing from a small sample, and no interval can know of it.
"""

import math
from dataclasses import dataclass

import numpy as np

from small_nets.stats.distributions import (
    CONFIDENCE,
    Array,
    binomial_cdf,
    normal_quantile,
    t_quantile,
)

FEWEST = 5  # values that an interval is made of, and seeds that settings are compared under
BOOTSTRAP_FROM = 20  # values; fewer have too few different draws
DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """low, high: NaN where no value of the sample ends it. confidence: 0 to 1."""

    low: float
    high: float
    confidence: float


def quantile_places(n: int, quantile: float = 0.5) -> tuple[int, int, float]:
    """Which order statistics of n values, from 1, enclose a quantile, and how surely.

    0 for the first and n + 1 for the last where none of the values is low or high enough. Each
    end misses at most 2.5 %. Below six values the whole sample is the interval of a median, and
    surer by the less: 93.75 % of five.
    """
    below = binomial_cdf(n, quantile)  # P(at most k values are below)
    tail = (1 - CONFIDENCE) / 2
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail)) + 1
    if quantile == 0.5 and low < 1:
        low, high = 1, n
    missed = (below[low - 1] if low else 0.0) + (1 - below[high - 1])
    return low, high, float(1 - missed)


def quantile_interval(values: Array, quantile: float = 0.5) -> Interval | None:
    """The interval of a quantile of what the values, (n,), are drawn from; ±∞ is a value too.

    None below FEWEST values.
    """
    if len(values) < FEWEST:
        return None
    ordered = np.concatenate([[np.nan], np.sort(values), [np.nan]])
    low, high, confidence = quantile_places(len(values), quantile)
    return Interval(float(ordered[low]), float(ordered[high]), confidence)


def wilson(successes: int, n: int) -> Interval:
    """The score interval of a share (Wilson, 1927), n at least 1.

    It holds 95 % on average over all shares; for single ones near 0 and 1 it may hold less.
    """
    z2, share = normal_quantile() ** 2, successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else middle - half
    return Interval(low, 1.0 if successes == n else middle + half, CONFIDENCE)


def mean_ends(values: Array) -> tuple[Array, Array]:
    """The ends of the intervals of the means of columns, (n, samples); each (samples,).

    Of finite values: Student's t, bootstrap-t from BOOTSTRAP_FROM values on. NaN below FEWEST
    values. The same at every call.
    """
    n = len(values)
    if n < FEWEST:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    error = sd / math.sqrt(n)
    least, greatest = -t_quantile(n - 1), t_quantile(n - 1)
    if n >= BOOTSTRAP_FROM:
        drawn = _studentized(values, mean, sd)
        # Where nearly all values are equal, whole draws are, and have no spread.
        is_known = np.isfinite(drawn).all(axis=0)
        least, greatest = np.where(is_known, drawn, [[least], [greatest]])
    return mean - greatest * error, mean - least * error


def _studentized(values: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """The ends of the middle 95 % of (mean* - mean) / error* (Efron and Tibshirani, 1993, 12.5).

    All columns are drawn at the same places, so that a draw is a row of weights, and the sums of
    all draws are two products of matrices.
    """
    n = len(values)
    random = np.random.default_rng(0)
    weights = random.multinomial(n, np.full(n, 1 / n), size=DRAWS) / n
    # Scaled, so that squares lose nothing; a column without spread is its own mean.
    scaled = (values - mean) / np.where(sd > 0, sd, 1)
    means = weights @ scaled
    variances = np.maximum(weights @ scaled**2 - means**2, 0) * n / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(variances > 0, means / np.sqrt(variances / n), np.sign(means) * np.inf)
    t = np.where(means == 0, 0.0, t)
    tail = (1 - CONFIDENCE) / 2
    # Whole draws and not between two of them: between a number and ∞ lies no number.
    ends = np.quantile(t, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return ends[0], ends[1]
