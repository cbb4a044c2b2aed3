"""Reads the columns that a network learns from, and checks their cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from small_nets.config.component_facts import Task
from small_nets.config.errors import InputError
from small_nets.data.class_labels import encode
from small_nets.data.column_names import shown, without
from small_nets.data.dates import is_date
from small_nets.data.feature_columns import (
    Categories,
    Unseen,
    column_numbers,
    feature_names,
    features,
    no_date,
)
from small_nets.data.missing_values import Missing, present
from small_nets.data.numeric_columns import refuse_merged
from small_nets.data.table_cells import Cells, Column, read_cells
from small_nets.data.table_file import TableFile, open_table

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in raw units. The object is shared: do not change it.

    - inputs: (rows, features)
    - names: of the features, such as "age" and "city=Paris"
    - rows: the places in the file of the rows in use, (rows,)
    - dropped: how many rows are not used, because a value is missing
    - categories: input column of texts -> its sorted categories
    - target: (rows,), or (rows, targets) for several; for a classification the place of each row's
      class in `classes`; None where no target was asked for
    - classes: the sorted labels
    - label_type: the type of the labels, as `small_nets.data.column_types` writes it
    """

    inputs: Array
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    dropped: int = 0
    categories: dict[str, list[str]] = field(default_factory=dict)
    target: Array | None = None
    classes: tuple[str, ...] | None = None
    label_type: str | None = None


def read_columns(
    path: str | Path,
    inputs: Sequence[str],
    target: str | Sequence[str] | None = None,
    task: Task = "regression",
    *,
    missing: Missing = "refuse",
    separator: str | None = None,
    categories: Categories | None = None,
    unseen: Unseen = "refuse",
) -> Columns:
    """Read columns of a CSV or Parquet file by their names.

    missing: whether a row with a missing value is refused or left out. separator: of a CSV file's
    cells; None to find it. categories: those of a trained run, for rows to predict; None to find
    them. unseen: whether another category is refused, or gets zeros in all its columns. Raises
    InputError, which names file, column and row.
    """
    file = open_table(Path(path), separator)
    targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    known = None if categories is None else tuple((k, tuple(v)) for k, v in categories.items())
    return _read(file, tuple(inputs), targets, task, missing, known, unseen)


def check_names(file: TableFile, inputs: Sequence[str], targets: Sequence[str]) -> None:
    """Raises InputError for a column that does not exist, or that is both input and target."""
    for name in (*inputs, *targets):
        file.position(name)
    both = next((name for name in targets if name in inputs), None)
    if both is not None:
        raise InputError(f"{both!r} is the target, and an input too: the network would only "
                         "copy it.\nFix: data.inputs without it")  # fmt: skip


@lru_cache(maxsize=4)
def _read(
    file: TableFile,
    inputs: tuple[str, ...],
    targets: tuple[str, ...],
    task: Task,
    missing: Missing,
    known: tuple[tuple[str, tuple[str, ...]], ...] | None,
    unseen: Unseen,
) -> Columns:
    check_names(file, inputs, targets)
    names = (*inputs, *targets)
    cells = read_cells(file, [file.position(name) for name in names])
    _refuse_few(cells, bool(targets))
    kept = present(cells, names, missing, targets)
    if not kept.any():
        raise InputError(f"{file.path} has no row with a value in each of {', '.join(names)}.\n"
                         "Fix: values there")  # fmt: skip
    columns = _in_use(cells, names, kept)
    taken = _features(columns[: len(inputs)], None if known is None else dict(known), unseen)
    found = {n: texts for n, (_, texts) in zip(inputs, taken, strict=True) if texts is not None}
    about = {
        "inputs": np.concatenate([array for array, _ in taken], axis=1),
        "names": tuple(feature_names(inputs, found)),
        "rows": kept.arg_true().to_numpy().astype(np.int64),
        "dropped": int((~kept).sum()),
        "categories": found,
    }
    if not targets:
        return Columns(**about)
    if task != "regression":
        codes, classes, kind = encode(columns[-1], task)
        return Columns(**about, target=codes, classes=classes, label_type=kind)
    values = [_numbers(column) for column in columns[len(inputs) :]]
    return Columns(**about, target=values[0] if len(values) == 1 else np.stack(values, axis=1))


def _refuse_few(cells: Cells, learns: bool) -> None:
    if learns and len(cells) < 2:
        what = "one row" if len(cells) else "no row below its header"
        raise InputError(f"{cells.file.path} has {what}: there is nothing to learn from.\n"
                         "Fix: at least two rows")  # fmt: skip
    if len(cells) == 0:
        raise InputError(f"{cells.file.path} has no row below its header.\nFix: at least one row")


def _in_use(cells: Cells, names: Sequence[str], kept: pl.Series) -> list[Column]:
    rows = kept.arg_true().to_numpy().astype(np.int64)
    frame = cells.frame if kept.all() else cells.frame.filter(kept)
    if cells.file.is_csv:
        # Blanks around a cell do not belong to it: "1, yes" means "1,yes".
        frame = frame.with_columns(pl.all().str.strip_chars())
    return [
        Column(name, values, cells, rows)
        for name, values in zip(names, frame.get_columns(), strict=True)
    ]


def _features(
    columns: Sequence[Column], known: Categories | None, unseen: Unseen
) -> list[tuple[Array, list[str] | None]]:
    """The features and categories of each input column.

    Raises one InputError for all columns that cannot be inputs.
    """
    found, wrong = [], {}
    for column in columns:
        try:
            found.append(features(column, known, unseen))
        except InputError as error:
            wrong[column.name] = error
    if len(wrong) == 1 or (wrong and known is not None):
        raise next(iter(wrong.values()))
    if wrong:
        reasons = "\n".join(str(error).partition("\nFix: ")[0] for error in wrong.values())
        raise InputError(f"{reasons}\nFix: {without(list(wrong))}")
    return found


def _numbers(column: Column) -> Array:
    """A target of numbers, (rows,). Raises InputError for a constant column, and for texts."""
    numbers = column_numbers(column)
    if numbers is None:
        if is_date(str(column.values[0])):
            raise no_date(column, column.values[0])
        raise column.error(
            0,
            f"is {shown(column.values[0])}: a text, not a number",
            "a number there; a text can be the target of a run with loss=cross_entropy",
        )
    refuse_merged(column, numbers)
    if (numbers == numbers[0]).all():
        raise column.whole_error(
            f"is {numbers[0]:g} in every row: there is nothing to learn",
            "another data.target",
            role="target",
        )
    return numbers
