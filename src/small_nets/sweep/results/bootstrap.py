"""Percentile bootstrap intervals of means (Efron, 1979). Pure."""

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEAST = 1000
# Drawn at most: neither an interval of 100,000 runs nor those of 10,000 settings need all draws.
NUMBERS, MEANS = 20_000_000, 10_000_000
COLUMNS = 500  # means of so many samples at once: 40 MB
Array = NDArray[np.float64]


def bootstrap_means(values: Array, draws: int = DRAWS) -> tuple[Array, Array]:
    """The ends of the 95 % intervals of the means of columns of values (n, samples).

    Each of shape (samples,). The same at every call: all columns are drawn at the same places,
    so that a draw is a row of weights, and all means of all draws are one product of matrices.
    """
    n, samples = values.shape
    draws = min(draws, max(LEAST, min(NUMBERS // n, MEANS // max(samples, 1))))
    low, high = np.empty(samples), np.empty(samples)
    for first in range(0, samples, COLUMNS):
        block = slice(first, first + COLUMNS)
        low[block], high[block] = _intervals(values[:, block], draws)
    return low, high


def _intervals(values: Array, draws: int) -> tuple[Array, Array]:
    n = len(values)
    generator = np.random.default_rng(0)
    # Around the first value: a column of equal values then has exactly that interval.
    centred = values - values[:1]
    most = max(1, min(draws, 4_000_000 // n))  # ten thousand of ten thousand runs are a gigabyte
    counts = [min(most, draws - first) for first in range(0, draws, most)]
    parts = [centred.T @ _weights(generator, count, n).T for count in counts]
    means = np.concatenate(parts, axis=1)  # (samples, draws): contiguous where it is sorted
    low, high = np.percentile(means, [2.5, 97.5], axis=1) + values[:1]
    return low, high


def _weights(generator: np.random.Generator, draws: int, n: int) -> Array:
    """How often each of n values is in a draw, over n; shape (draws, n)."""
    places = generator.integers(0, n, (draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=draws * n).reshape(draws, n) / n
