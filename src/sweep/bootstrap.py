"""Percentile bootstrap intervals of means (Efron, 1979). Pure."""

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
NUMBERS = 20_000_000  # drawn at most; an interval of 100,000 runs needs no 10,000 draws
COLUMNS = 500  # means of so many samples at once: 40 MB
Array = NDArray[np.float64]


def bootstrap_means(values: Array, draws: int = DRAWS) -> tuple[Array, Array]:
    """The ends of the 95 % intervals of the means of columns of values (n, samples).

    Each of shape (samples,). The same at every call: all columns are drawn at the same places,
    so that a draw is a row of weights, and all means of all draws are one product of matrices.
    """
    low, high = np.empty(values.shape[1]), np.empty(values.shape[1])
    for first in range(0, values.shape[1], COLUMNS):
        block = slice(first, first + COLUMNS)
        low[block], high[block] = _intervals(values[:, block], draws)
    return low, high


def _intervals(values: Array, draws: int) -> tuple[Array, Array]:
    n = len(values)
    generator = np.random.default_rng(0)
    draws = min(draws, max(1000, NUMBERS // n))
    # Around the first value: a column of equal values then has exactly that interval.
    centred = values - values[:1]
    means = np.concatenate([_weights(generator, count, n) @ centred for count in _blocks(draws, n)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0) + values[:1]
    return low, high


def _weights(generator: np.random.Generator, draws: int, n: int) -> Array:
    """How often each of n values is in a draw, over n; shape (draws, n)."""
    places = generator.integers(0, n, (draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=draws * n).reshape(draws, n) / n


def _blocks(draws: int, size: int) -> list[int]:
    # Ten thousand draws of ten thousand runs would be a gigabyte at once.
    most = max(1, min(draws, 4_000_000 // size))
    return [most] * (draws // most) + ([draws % most] if draws % most else [])
