"""What all pictures of a run are made from: its rows, and a grid over its inputs."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from small_nets.data.prepared import Prepared, Split

MOST = 10_000  # rows that one picture shows: more hide one another, and take seconds
MAP_POINTS = 101


def to_array(values: Tensor) -> NDArray[np.float64]:
    """A tensor as matplotlib takes it."""
    return values.detach().double().cpu().numpy()


def shown_splits(data: Prepared, most: int = MOST) -> tuple[dict[str, Split], str]:
    """The splits with the rows that a picture shows, and a line that says so where not all are.

    From each split in proportion, evenly spaced: a split of many rows is in random order, and a
    permutation of a million rows takes longer than the picture.
    """
    total = sum(map(len, data.splits.values()))
    if total <= most:
        return data.splits, ""
    found = {}
    for name, split in data.splits.items():
        count = max(1, len(split) * most // total)
        chosen = torch.linspace(0, len(split) - 1, count).long()
        target = None if split.target is None else split.target[chosen]
        found[name] = Split(split.input[chosen], target, split.rows[chosen])
    shown = sum(map(len, found.values()))
    return found, f"\n{shown:,} of {total:,} rows shown"


def map_axes(*data: Prepared) -> tuple[Tensor, Tensor, Tensor]:
    """A grid over two inputs, a quarter beyond their range in all of the data.

    Returns x, y, and its points (n * n, 2).
    """
    input = torch.cat([one.table.input for one in data])
    low, high = input.min(dim=0).values, input.max(dim=0).values
    margin = torch.where(high > low, 0.25 * (high - low), torch.ones_like(high))
    axes = [
        torch.linspace(
            float(low[i] - margin[i]), float(high[i] + margin[i]), MAP_POINTS, dtype=torch.float64
        )
        for i in range(2)
    ]
    return axes[0], axes[1], grid_of(axes[0], axes[1])


def grid_of(x: Tensor, y: Tensor) -> Tensor:
    """The points of a grid, (rows * columns, 2), row by row; x: (columns,), y: (rows,)."""
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([across, down], dim=-1).view(-1, 2)
