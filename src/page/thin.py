"""Numbers as a page carries them: six digits, and null for what JSON has no name for."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

DIGITS = 6


def number(value: float | None) -> float | int | None:
    """Six significant digits; None for what is not finite."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def numbers(values: Iterable[float | None]) -> list[float | int | None]:
    """Each of them."""
    return [number(value) for value in values]


def array(values: ArrayLike) -> list[float | int | None]:
    """A one-dimensional array."""
    return numbers(np.asarray(values, dtype=float).tolist())
