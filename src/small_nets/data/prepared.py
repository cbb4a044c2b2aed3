"""Splits and normalises a table. Every engine trains on the result."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from small_nets.data.division import NOTHING, Division, HeldOut
from small_nets.data.normalisation import Normaliser, fit
from small_nets.data.sources import Table


@dataclass(frozen=True)
class Split:
    """Rows in normalised units.

    input: (rows, features). target: (rows, outputs), or None. rows: their positions in the raw
    table, (rows,).
    """

    input: Tensor
    target: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return len(self.input)


class Prepared:
    """A table, split and normalised.

    - table: in raw units
    - held_out: what is held out for validation and for the test
    - split_seed, order_seed: draw the split, and the order of the rows in each epoch
    - batch_size: rows; None for all at once
    - normalize_on: "train" fits the normalisation on the training split, "all" on all rows but
      those of the test
    - dtype: of the network, and so of the splits
    - classes: their names, for messages

    train, val and test are its splits; val and test may be None. Raises ValueError where rows
    cannot be held out as asked, or where a batch is larger than the training split.
    """

    def __init__(
        self,
        table: Table,
        held_out: HeldOut = NOTHING,
        *,
        split_seed: int = 0,
        order_seed: int = 0,
        batch_size: int | None = None,
        normalize_input: str = "none",
        normalize_target: str = "none",
        normalize_on: str = "train",
        dtype: torch.dtype = torch.float32,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.table = _in_float64(table)
        self.dtype = dtype
        self.division = Division(self.table, held_out, classes)
        train, val = self.division.split(split_seed)
        if batch_size is not None and not 1 <= batch_size <= len(train):
            raise ValueError(
                f"data.batch_size={batch_size} does not suit the training split of "
                f"{len(train)} rows.\nAllowed: null (all rows at once) or 1 to {len(train)}"
            )
        fitted_on = train if normalize_on == "train" else self.division.not_tested
        self.input_normaliser = fit(normalize_input, self.table.input[fitted_on])
        self.target_normaliser: Normaliser | None = (
            None
            if self.table.target is None
            else fit(normalize_target, self.table.target[fitted_on])
        )
        self.train = self._normalised(self.table, train)
        self.val = self._normalised(self.table, val) if len(val) else None
        test = self.division.test
        self.test = self._normalised(self.tested, test) if len(test) else None
        self.batch_size = batch_size
        self.shuffle = held_out.shuffle
        self.order_seed = order_seed

    @property
    def tested(self) -> Table:
        """The table, in raw units, of which `test.rows` are rows."""
        return self.table.test or self.table

    def _normalised(self, table: Table, rows: Tensor) -> Split:
        target = None
        if table.target is not None and self.target_normaliser is not None:
            target = self.target_normaliser.apply(table.target[rows]).to(self.dtype)
        return Split(self.to_network(table.input[rows]), target, rows)

    def to_network(self, input: Tensor) -> Tensor:
        """Normalise raw inputs, shape (rows, features), and round them to the network's dtype."""
        return self.input_normaliser.apply(input).to(self.dtype)

    def from_network(self, output: Tensor) -> Tensor:
        """The network's outputs, shape (rows, outputs), in raw units, float64."""
        if self.target_normaliser is None:
            return output.double()
        return self.target_normaliser.invert(output)

    @property
    def is_target_normalised(self) -> bool:
        """Whether the loss is one of scaled targets: a number in no unit of the table's."""
        return self.target_normaliser is not None and not self.target_normaliser.is_identity

    @property
    def splits(self) -> dict[str, Split]:
        """Prefix of the metrics ("train", "val") -> split. "val" may be missing.

        The test split is not among them: what looks at splits during training must not see it.
        """
        return {"train": self.train} | ({} if self.val is None else {"val": self.val})

    @property
    def reported(self) -> dict[str, Split]:
        """The same with "test", for what is said of a net that is trained."""
        return self.splits | ({} if self.test is None else {"test": self.test})

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self.train) // (self.batch_size or len(self.train)))

    def to(self, device: torch.device) -> None:
        """Move the splits to a device. Normalisers work on any device; the raw table stays."""

        def moved(split: Split) -> Split:
            target = None if split.target is None else split.target.to(device)
            return Split(split.input.to(device), target, split.rows)

        self.train = moved(self.train)
        self.val = None if self.val is None else moved(self.val)
        self.test = None if self.test is None else moved(self.test)


def _in_float64(table: Table) -> Table:
    target = None if table.target is None else table.target.double()
    test = None if table.test is None else _in_float64(table.test)
    return replace(table, input=table.input.double(), target=target, test=test)
