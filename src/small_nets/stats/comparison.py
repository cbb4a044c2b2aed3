"""Which settings of a sweep are worse than the best one, when any of them might have come first.

The best of many equal settings is the luckiest, and a test of each against it, unadjusted, calls
about half of them worse. Here the error is that of the whole report: where all settings are equal,
at most one report in twenty tells any of them from the best.

Settings are compared under the same seeds. In each seed the values are aligned by their median,
all aligned values are ranked together, and the sums of the ranks are compared (Hodges and Lehmann,
1962). Ranks, for losses of small nets have heavy tails, and a run that diverged is worse than any
number and nothing more. If the settings are equal, the values of a seed could as well have been
dealt to them in any other order, so the difference that luck makes is found by dealing them anew.
It is Tukey's: of the greatest and the least of all sums, for the best was chosen by looking. What
is told apart is left out, and the rest is compared again, which is how a model confidence set
(Hansen, Lunde and Nason, 2011) is found.
"""

import math

import numpy as np
from numpy.typing import NDArray

from small_nets.stats.distributions import Array, range_quantile
from small_nets.stats.intervals import FEWEST

LEVEL = 0.05  # of the whole comparison
FEWEST_DEALS, MOST_DEALS = 2000, 20_000
DEALT = 5_000_000  # numbers that are dealt, if that makes no fewer deals
MOST_DEALT = 20_000_000  # above, sums of so many ranks are taken for normal
Flags = NDArray[np.bool_]


def wins_of(best: Array, others: Array) -> Array:
    """In how many of the seeds the best is better, (settings,); a tie is half a win.

    best: (seeds, 1), others: (seeds, settings), less is better.
    """
    return ((best < others) + (best == others) / 2).sum(axis=0)


def told_from_best(values: Array, best: int, level: float = LEVEL) -> Flags:
    """Whether each of the settings is worse than the best beyond chance, (settings,).

    values: (seeds, settings), less is better, infinite for a run that was lost. best: a column.
    Below FEWEST seeds none is told. The answer is the same at every call.
    """
    seeds, count = values.shape
    is_told = np.zeros(count, dtype=bool)
    while seeds >= FEWEST and not is_told.all():
        places = np.flatnonzero(~is_told)
        if len(places) < 2:
            break
        ranks = _aligned_ranks(values[:, places])
        sums = ranks.sum(axis=0)
        behind = sums - sums[places == best]
        new = behind > _allowance(ranks, level)
        if not new.any():
            break
        is_told[places[new]] = True
    return is_told


def _aligned_ranks(values: Array) -> Array:
    """The ranks, 1 first and ties their mean, of all values less the median of their seed."""
    finite = np.isfinite(values)
    if finite.any() and (values[finite] > 0).all():
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(values)  # a loss twice as large is as much worse everywhere
    known = np.where(finite, values, np.nan)
    has_some = finite.any(axis=1)
    middle = np.zeros(len(values))
    middle[has_some] = np.nanmedian(known[has_some], axis=1)
    aligned = np.where(finite, values - middle[:, None], np.inf)
    _, place, counts = np.unique(aligned, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[place].reshape(values.shape)


def _allowance(ranks: Array, level: float) -> float:
    """How far apart the greatest and the least sum are by luck, but for `level` of the cases."""
    count = ranks.shape[1]
    if ranks.size * FEWEST_DEALS > MOST_DEALT:
        variance = ranks.var(axis=1).sum() * count / (count - 1)
        return range_quantile(count, 1 - level) * math.sqrt(variance)
    deals = min(max(DEALT // ranks.size, FEWEST_DEALS), MOST_DEALS)
    random = np.random.default_rng(0)
    sums = np.zeros((deals, count))
    for row in ranks:
        sums += random.permuted(np.broadcast_to(row, (deals, count)), axis=1)
    ranges = np.sort(np.ptp(sums, axis=1))
    # So few deals lie above it that, but for one time in twenty, the share of all is `level` too.
    share = level - 1.645 * math.sqrt(level * (1 - level) / deals)
    return float(ranges[min(math.ceil((1 - share) * deals), deals) - 1])
