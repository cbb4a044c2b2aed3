"""Variance components of two crossed random factors, by the method of moments.

The model is y = μ + a + b + ab, one number for each pair of levels, all three parts random and
independent. The mean squares of the two-way table have the expectations

MS(a) = σ²(ab) + n(b) σ²(a), MS(b) = σ²(ab) + n(a) σ²(b), MS(ab) = σ²(ab)

(Searle, Casella and McCulloch, Variance Components, 1992, chapter 4). An estimate below 0 becomes
0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from small_nets.stats.distributions import Array


@dataclass(frozen=True)
class Components:
    """The variances of the first factor, of the second, and of both together (the interaction)."""

    first: float
    second: float
    both: float

    @property
    def shares(self) -> tuple[float, float, float] | None:
        """Each one's share in their sum; None where nothing varies."""
        whole = self.first + self.second + self.both
        if whole <= 0:
            return None
        return self.first / whole, self.second / whole, self.both / whole


def components(tables: Sequence[Array]) -> Components:
    """The components, pooled over tables.

    tables: each (levels of the first factor, levels of the second), two or more of each, finite.
    The levels of a table are draws of their own, or those of the others: either way the mean of the
    tables' estimates is unbiased, before what is below 0 becomes 0.
    """
    found = np.mean([_estimates(table) for table in tables], axis=0)
    return Components(*(float(max(part, 0.0)) for part in found))


def _estimates(table: Array) -> tuple[float, float, float]:
    rows, columns = table.shape
    first, second = table.mean(axis=1), table.mean(axis=0)
    rest = table - first[:, None] - second[None, :] + table.mean()
    both = float((rest**2).sum()) / ((rows - 1) * (columns - 1))
    return (
        float(first.var(ddof=1)) - both / columns,
        float(second.var(ddof=1)) - both / rows,
        both,
    )
