"""The performance profile of a setting: the share of its runs that end at least as well as x."""

import numpy as np

from small_nets.stats.distributions import Array


def profile(values: Array, high: bool = False) -> tuple[Array, Array]:
    """The places where a profile steps, ascending, (k,), and the share of runs at each, (k,).

    values: (runs,), infinite for a run that was lost, which counts as a run and is at no place. The
    share is that of the runs with a value of x or less; with `high`, where more is better, of x or
    more. It is the empirical distribution function, or one minus it from the left.
    """
    known = np.sort(values[np.isfinite(values)])
    places, counts = np.unique(known, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1] if high else np.cumsum(counts)
    return places, reached / len(values)
