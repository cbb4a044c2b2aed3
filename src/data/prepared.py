"""A table, split and normalised: what a run of any engine learns from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from src.data.normalise import Normaliser, fit
from src.data.sources import Table
from src.data.split import split


@dataclass(frozen=True)
class Split:
    """Rows in normalised units: input (rows, features), target (rows, outputs) or None.

    rows: their positions in the raw table, shape (rows,).
    """

    input: Tensor
    target: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return len(self.input)


class Prepared:
    """A table, split and normalised.

    table: raw units. dtype: what the network computes in.
    normalize_on: "train" fits the normalisation on the training split, "all" on every row.
    Raises ValueError where a split would have no row, or a batch more rows than the split.
    """

    def __init__(
        self,
        table: Table,
        *,
        val_fraction: float = 0.0,
        split_seed: int = 0,
        order_seed: int = 0,
        shuffle: bool = True,
        batch_size: int | None = None,
        normalize_input: str = "none",
        normalize_target: str = "none",
        normalize_on: str = "train",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.table = Table(
            table.input.to(dtype),
            None if table.target is None else table.target.to(dtype),
            table.task,
        )
        train, val = split(len(table.input), val_fraction, shuffle, split_seed)
        if batch_size is not None and not 1 <= batch_size <= len(train):
            raise ValueError(
                f"data.batch_size={batch_size} does not suit the training split of "
                f"{len(train)} rows.\nAllowed: null (all rows at once) or 1 to {len(train)}"
            )
        fitted_on = train if normalize_on == "train" else torch.arange(len(table.input))
        self.input_normaliser = fit(normalize_input, self.table.input[fitted_on])
        self.target_normaliser: Normaliser | None = (
            None
            if self.table.target is None
            else fit(normalize_target, self.table.target[fitted_on])
        )
        self.train = self._normalised(train)
        self.val = self._normalised(val) if len(val) else None
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.order_seed = order_seed

    def _normalised(self, rows: Tensor) -> Split:
        target = None
        if self.table.target is not None and self.target_normaliser is not None:
            target = self.target_normaliser.apply(self.table.target[rows])
        return Split(self.input_normaliser.apply(self.table.input[rows]), target, rows)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits there are, by the prefix of their metrics."""
        return {"train": self.train} | ({} if self.val is None else {"val": self.val})

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.train) // (self.batch_size or len(self.train)))

    def to(self, device: torch.device) -> None:
        """Move the splits; the raw table and the normalisers stay, and follow what they meet."""

        def moved(split: Split) -> Split:
            target = None if split.target is None else split.target.to(device)
            return Split(split.input.to(device), target, split.rows)

        self.train = moved(self.train)
        self.val = None if self.val is None else moved(self.val)
