"""Numbers as a page carries them: six digits, and null for what JSON has no name for."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

DIGITS = 6


def number(value: float | None, digits: int = DIGITS) -> float | int | None:
    """Six significant digits; None for what is not finite."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def numbers(values: Iterable[float | None]) -> list[float | int | None]:
    """Each value as `number` gives it."""
    return [number(value) for value in values]


def array(values: ArrayLike) -> list[float | int | None]:
    """A one-dimensional array; six digits of its width, so that unix seconds stay apart."""
    found = np.asarray(values, dtype=float)
    finite = found[np.isfinite(found)]
    digits, width = DIGITS, float(np.ptp(finite)) if len(finite) else 0.0
    if 0 < width < math.inf:
        digits += max(int(math.log10(float(np.abs(finite).max()) / width)), 0)
    return [number(value, min(digits, 17)) for value in found.tolist()]
