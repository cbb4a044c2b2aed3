"""A table, split and normalised: what a run of any engine learns from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser, fit
from small_nets.data.sources import Table
from small_nets.data.split import split, strata


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

    table: raw units, float64. dtype: what the network computes in, and so the splits.
    stratify: whether each class is held out in its share; None: where that is possible.
    normalize_on: "train" fits the normalisation on the training split, "all" on every row.
    classes: their names, for messages. Raises ValueError where a split would have no row, where
    it cannot be stratified as asked, or for a batch of more rows than the training split.
    """

    def __init__(
        self,
        table: Table,
        *,
        val_fraction: float = 0.0,
        split_seed: int = 0,
        order_seed: int = 0,
        shuffle: bool = True,
        stratify: bool | None = False,
        batch_size: int | None = None,
        normalize_input: str = "none",
        normalize_target: str = "none",
        normalize_on: str = "train",
        dtype: torch.dtype = torch.float32,
        classes: Sequence[str] | None = None,
    ) -> None:
        target = None if table.target is None else table.target.double()
        self.table = replace(table, input=table.input.double(), target=target)
        self.dtype = dtype
        self.strata = strata(self.table, val_fraction, shuffle, stratify, classes)
        train, val = split(len(table.input), val_fraction, shuffle, split_seed, self.strata)
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
            target = self.target_normaliser.apply(self.table.target[rows]).to(self.dtype)
        return Split(self.to_network(self.table.input[rows]), target, rows)

    def to_network(self, input: Tensor) -> Tensor:
        """Raw inputs, shape (rows, features), as the network takes them: rounded once, here."""
        return self.input_normaliser.apply(input).to(self.dtype)

    def from_network(self, output: Tensor) -> Tensor:
        """What the network gives, shape (rows, outputs), in raw units and float64."""
        if self.target_normaliser is None:
            return output.double()
        return self.target_normaliser.invert(output)

    @property
    def is_target_normalised(self) -> bool:
        """Whether the loss is one of scaled targets: a number in no unit of the table's."""
        return self.target_normaliser is not None and not self.target_normaliser.is_identity

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
