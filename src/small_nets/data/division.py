"""Divides a table's rows into training, validation and test.

The test rows are the same for every run, whatever its seed: a setting that is chosen by its
validation losses under some seeds has not seen the rows by which it is tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from small_nets.data.sources import Table
from small_nets.data.split import (
    called,
    class_counts,
    held_out_of,
    permutation,
    split,
    strata,
)


@dataclass(frozen=True)
class HeldOut:
    """What is held out.

    - val_fraction, test_fraction: the parts of all rows for validation and for the test
    - test_seed: draws the test rows
    - folds, fold: cross-validation: the other rows are cut into so many folds, and this one,
      counted from 0, is the validation split
    - shuffle: whether rows are shuffled first; otherwise the last rows are held out
    - stratify: whether each class is held out in proportion; None: where that is possible
    """

    val_fraction: float = 0.0
    test_fraction: float = 0.0
    test_seed: int = 0
    folds: int | None = None
    fold: int | None = None
    shuffle: bool = True
    stratify: bool | None = False


NOTHING = HeldOut()


class Division:
    """How one table is divided, for every split seed.

    test: the rows of the test split, (n,); of a source that brings a test set of its own they are
    rows of that. names: of the classes, for messages. Raises ValueError where a split would have
    no row, where there are more folds than rows, where rows cannot be stratified as asked, and for
    a fraction for the test where the source brings one.
    """

    def __init__(self, table: Table, held_out: HeldOut, names: Sequence[str] | None = None) -> None:
        self.held_out = held_out
        rows = len(table.input)
        self.others: Tensor | None = None  # the rows that are no test rows; None: all
        if table.test is not None:
            if held_out.test_fraction:
                raise ValueError(
                    f"data.test_fraction={held_out.test_fraction:g}, but this source brings a test "
                    f"set of its own, of {len(table.test.input)} rows.\nFix: data.test_fraction=0"
                )
            self.test = torch.arange(len(table.test.input))
        else:
            self.others, self.test = self._test_rows(table, names)
        if self.others is not None:
            table = _only(table, self.others)
        self.rows = len(table.input)
        self.by_folds = self.by = None
        if held_out.folds is not None:
            self.count = 0
            self.by_folds = self._fold_classes(table, names)
        else:
            self.count = self._validation(rows)
            self.by = strata(table, self.count, held_out.shuffle, held_out.stratify, names)

    def _test_rows(self, table: Table, names: Sequence[str] | None) -> tuple[Tensor | None, Tensor]:
        asked, key = self.held_out, "data.test_fraction"
        count = held_out_of(len(table.input), asked.test_fraction, key)
        if count == 0:
            return None, torch.arange(0)
        by = strata(table, count, asked.shuffle, asked.stratify, names, key)
        others, test = split(len(table.input), count, asked.shuffle, asked.test_seed, by)
        return others.sort().values, test

    def _validation(self, all_rows: int) -> int:
        """How many rows are held out for validation. all_rows: with those of the test."""
        fraction = self.held_out.val_fraction
        if self.rows == all_rows:
            return held_out_of(all_rows, fraction)
        count = int(fraction * all_rows)
        if fraction != 0 and not 0 < count < self.rows:
            raise ValueError(
                f"data.val_fraction={fraction:g} and data.test_fraction="
                f"{self.held_out.test_fraction:g} are not allowed: of {all_rows} rows they hold "
                f"out {count} and {len(self.test)}, and leave {self.rows - count} for training.\n"
                "Allowed: fractions of all rows, that together leave some, and each hold out one"
            )
        return count

    def _fold_classes(self, table: Table, names: Sequence[str] | None) -> Tensor | None:
        """The number of each row's class, (rows,), where folds are stratified, else None."""
        asked, folds, rows = self.held_out, self.held_out.folds or 0, self.rows
        if folds > rows:
            raise ValueError(
                f"data.folds={folds} is not allowed: there are {rows} rows"
                f"{' beside the test rows' if self.others is not None else ''}, and each fold "
                f"needs one.\nAllowed: 2 to {rows}"
            )
        if asked.stratify is False:
            return None
        # What `strata` says of two splits holds here as well: it is asked for one fold.
        if strata(table, rows // folds, asked.shuffle, asked.stratify, names, "data.folds") is None:
            return None
        places, counts = class_counts(table)
        few = next((p for p, count in enumerate(counts) if 0 < count < folds), None)
        if few is None:
            return places
        if asked.stratify:
            raise ValueError(
                f"data.stratify=true, but the class {called(few, counts, names)!r} has "
                f"{counts[few]} rows, fewer than data.folds={folds}.\n"
                f"Fix: data.folds={counts[few]}, or data.stratify=null"
            )
        return None

    def split(self, seed: int) -> tuple[Tensor, Tensor]:
        """The rows for training and for validation, each of shape (n,), of a split seed."""
        asked = self.held_out
        if asked.folds is None or asked.fold is None:
            train, val = split(self.rows, self.count, asked.shuffle, seed, self.by)
        else:
            train, val = self._fold(seed, asked.folds, asked.fold)
        return (train, val) if self.others is None else (self.others[train], self.others[val])

    def _fold(self, seed: int, folds: int, fold: int) -> tuple[Tensor, Tensor]:
        """Folds differ by one row at most, the first ones having more (`config.sizes` counts so).

        If stratified, so do the folds' rows of each class.
        """
        order = permutation(self.rows, self.held_out.shuffle, seed)
        is_held = torch.zeros(self.rows, dtype=torch.bool)
        if self.by_folds is None:
            first, last = (f * (self.rows // folds) + min(f, self.rows % folds)
                           for f in (fold, fold + 1))  # fmt: skip
            is_held[first:last] = True
        else:  # deal the rows out, one class after the other
            sorted_places = self.by_folds[order].argsort(stable=True)
            is_held[sorted_places[fold::folds]] = True
        return order[~is_held], order[is_held]

    @property
    def not_tested(self) -> Tensor:
        """The rows that a normalisation may be fitted on, (n,): all but the test rows."""
        return torch.arange(self.rows) if self.others is None else self.others


def _only(table: Table, rows: Tensor) -> Table:
    target = None if table.target is None else table.target[rows]
    return replace(table, input=table.input[rows], target=target)
