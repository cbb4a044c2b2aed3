"""Finds what is lost when normalised columns are rounded to the network's precision.

Rounding keeps the order of numbers. So a column has become constant if its smallest and its
largest value have become equal.
"""

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser

# Of n random numbers, up to n² / 2²⁴ become equal to a neighbour by chance, which does no harm.
# Thirty times as many, or a quarter of all, are more than chance.
BY_CHANCE, MOST = 2.0**-19, 0.25
CELLS = 4_000_000  # of a table that are sorted for this, which takes less than half a second


def extremes(normaliser: Normaliser, values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two booleans per column: whether rounding makes it constant, and whether infinite.

    values: (rows, columns), raw units. Both results have the shape (columns,), or (members, 1,
    columns) for a normaliser of many members.
    """
    ends = torch.stack([values.min(dim=0).values, values.max(dim=0).values])
    low, high = (normaliser.apply(end).to(dtype) for end in ends)
    is_constant = (low == high) & (ends[0] != ends[1])
    return is_constant, ~(torch.isfinite(low) & torch.isfinite(high))


def merged(
    normaliser: Normaliser, values: Tensor, dtype: torch.dtype
) -> list[tuple[int, int, int]]:
    """The columns that lose more values than by chance: (column, distinct values, those left).

    values: (rows, columns), raw units. Of a large table only the first rows are looked at.
    """
    rising = values[: CELLS // values.shape[1] + 2].sort(dim=0).values
    before, after = (
        (column.diff(dim=0) != 0).sum(dim=0) + 1
        for column in (rising, normaliser.apply(rising).to(dtype))
    )
    by_chance = torch.minimum(before.double() ** 2 * BY_CHANCE, before * MOST)
    places = (before - after > by_chance).nonzero().flatten().tolist()
    return [(i, int(before[i]), int(after[i])) for i in places]
