"""Which rows are held out for validation."""

import math

import torch
from torch import Tensor


def split(rows: int, val_fraction: float, shuffle: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Row indices (train, validation), each of shape (n,).

    int(val_fraction * rows) rows are held out: the last ones of a permutation drawn by a
    generator of its own, so that the split never shifts a model's initial weights.
    Without shuffle, the last rows as they stand.

    Raises ValueError where one of the splits would have no row.
    """
    held_out = int(val_fraction * rows)
    if val_fraction != 0 and not 0 < held_out < rows:
        least = math.ceil(1000 / rows) / 1000
        possible = f"{least:g} or more, and below 1," if rows > 1 else "none of one row,"
        raise ValueError(
            f"data.val_fraction={val_fraction:g} is not allowed: of {rows} rows it holds out "
            f"{held_out} and leaves {rows - held_out} for training.\nAllowed: 0 for no validation "
            f"split, or {possible} so that each split has a row"
        )
    if held_out == 0:
        return torch.arange(rows), torch.arange(0)
    order = (
        torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
        if shuffle
        else torch.arange(rows)
    )
    return order[: rows - held_out], order[rows - held_out :]
