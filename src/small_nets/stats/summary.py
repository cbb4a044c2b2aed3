"""The number that a setting's runs are summarised by, from one value for each of them."""

import math

import numpy as np

from small_nets.stats.distributions import Array, t_quantile


def quantile(values: Array, share: float) -> Array:
    """The least of the values, (..., n), that `share` of them do not exceed; ±∞ is one too."""
    return np.quantile(values, share, axis=-1, method="inverted_cdf")


def mean(values: Array) -> Array:
    """The mean; infinite where one of the values, (..., n), is."""
    return np.asarray(np.mean(values, axis=-1))


def bound(values: Array, high: bool) -> float:
    """The worse end of the mean's interval by Student's t. high: whether more is better."""
    middle = float(mean(values))
    if not math.isfinite(middle) or len(values) < 2:
        return middle
    half = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return middle - half if high else middle + half


def median(values: Array) -> Array:
    """The median of the values, (..., n); infinite where one of the two in the middle is."""
    return np.median(values, axis=-1)
