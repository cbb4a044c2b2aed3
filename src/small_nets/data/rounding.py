"""What is lost where normalised columns are rounded to what the network computes in.

Rounding keeps the order of numbers, so that neighbours tell all: a column has become constant
where its least and its greatest value have become one.
"""

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser

# Of n numbers with all their digits, up to n² / 2²⁴ become one with a neighbour by chance, and
# nothing is lost by it. Thirty times as many, or a quarter of all, are no chance.
BY_CHANCE, MOST = 2.0**-19, 0.25
CELLS = 4_000_000  # of a table that are sorted to find out: less than half a second


def extremes(normaliser: Normaliser, values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Of each column, whether rounding makes it constant, and whether it makes it infinite.

    values: shape (rows, columns), raw units; both answers have shape (columns,), or that of the
    normaliser where it is many members' at once.
    """
    ends = torch.stack([values.min(dim=0).values, values.max(dim=0).values])
    low, high = (normaliser.apply(end).to(dtype) for end in ends)
    is_constant = (low == high) & (ends[0] != ends[1])
    return is_constant, ~(torch.isfinite(low) & torch.isfinite(high))


def merged(
    normaliser: Normaliser, values: Tensor, dtype: torch.dtype
) -> list[tuple[int, int, int]]:
    """The columns that lose more than chance: each with its different values, and those left.

    values: shape (rows, columns), raw units; of a large table the first rows speak for all.
    """
    rising = values[: CELLS // values.shape[1] + 2].sort(dim=0).values
    before, after = (
        (column.diff(dim=0) != 0).sum(dim=0) + 1
        for column in (rising, normaliser.apply(rising).to(dtype))
    )
    by_chance = torch.minimum(before.double() ** 2 * BY_CHANCE, before * MOST)
    places = (before - after > by_chance).nonzero().flatten().tolist()
    return [(i, int(before[i]), int(after[i])) for i in places]
