"""The columns that a network learns from, read from a table and checked cell by cell.

polars reads; where it meets what is no number, the rows are gone through once more, slowly, for
the line in which an editor shows it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.data.file import Stamp, TableFile, open_table, stamp
from src.data.labels import DATE, encode
from src.data.task import Task
from src.errors import InputError

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]
TEXTS = ("String", "Categorical", "Enum")
NO_LABEL = ("", "nan", "inf", "-inf")  # in small letters: a missing value, and no class


@dataclass(frozen=True)
class Columns:
    """What a table says. Not to be written to: it is shared.

    inputs: (rows, inputs), raw units. target: (rows,), raw units, or the places of each row's
    class in `classes`; None where none was asked for. classes: their labels, sorted.
    """

    inputs: Array
    target: Array | None = None
    classes: tuple[str, ...] | None = None


def read_columns(
    path: str | Path, inputs: Sequence[str], target: str | None = None, task: Task = "regression"
) -> Columns:
    """The columns of a CSV or Parquet file, by name.

    Raises InputError with file, column and row for anything that cannot be learned from.
    """
    return _read(stamp(Path(path)), tuple(inputs), target, task)


@lru_cache(maxsize=4)
def _read(at: Stamp, inputs: tuple[str, ...], target: str | None, task: Task) -> Columns:
    file = open_table(Path(at[0]))
    for name in inputs if target is None else (*inputs, target):
        file.position(name)
    if target in inputs:
        raise InputError(f"{target!r} is the target, and an input too: the network would only "
                         "copy it.\nFix: data.inputs without it")  # fmt: skip
    numeric = [*inputs, target] if target is not None and task == "regression" else [*inputs]
    label = target if task != "regression" else None
    found = _csv(file, numeric, label) if file.is_csv else _parquet(file, numeric, label)
    rows = len(next(iter(found.values())))
    if target is not None and rows < 2:
        what = "one row" if rows else "no row below its header"
        raise InputError(f"{file.path} has {what}: there is nothing to learn from.\n"
                         "Fix: at least two rows")  # fmt: skip
    if rows == 0:
        raise InputError(f"{file.path} has no row below its header.\nFix: at least one row")
    matrix = np.stack([found[name] for name in inputs], axis=1)
    if target is None:
        return Columns(matrix)
    if label is not None:
        codes, classes = encode(found[target], file.path, target, task)
        return Columns(matrix, codes, classes)
    values = np.array(found[target])  # a copy: polars lends what must not be written to
    if (values == values[0]).all():
        raise InputError(f"{file.path}: the target {target!r} is {values[0]:g} in every row: there "
                         "is nothing to learn.\nFix: another data.target")  # fmt: skip
    return Columns(matrix, values)


def _csv(file: TableFile, numeric: Sequence[str], label: str | None) -> dict[str, Any]:
    import polars as pl

    types: dict[str, type[pl.DataType]] = dict.fromkeys(numeric, pl.Float64)
    names = [*numeric] if label is None else [*numeric, label]
    try:
        frame = file.scan(types).select(names).collect()
    except (pl.exceptions.PolarsError, OSError):
        return _cell_by_cell(file, numeric, label)
    whole = all(frame[name].null_count() == 0 for name in numeric)
    if not whole or not all(frame[name].is_finite().all() for name in numeric):
        return _cell_by_cell(file, numeric, label)
    found: dict[str, Any] = {name: frame[name].to_numpy() for name in numeric}
    if label is not None:
        texts = frame[label].fill_null("").str.strip_chars()
        if texts.str.to_lowercase().is_in(NO_LABEL).any():
            return _cell_by_cell(file, numeric, label)
        found[label] = texts
    return found


def _cell_by_cell(file: TableFile, numeric: Sequence[str], label: str | None) -> dict[str, Any]:
    """The same without polars. Raises InputError at the first cell that is wrong."""
    import polars as pl

    names = [*numeric] if label is None else [*numeric, label]
    places = [(name, file.columns.index(name)) for name in names]
    found: dict[str, list[Any]] = {name: [] for name in names}
    blank: int | None = None
    is_header = True
    for line, record in file.records():
        if not record:
            blank = line if blank is None and not is_header else blank
            continue
        if is_header:
            is_header = False
            continue
        if blank is not None:  # blank lines at the end are no rows
            raise InputError(f"{file.path}, line {blank} is empty.\nFix: without that line")
        if len(record) != len(file.columns):
            raise InputError(
                f"{file.path}, line {line} has {len(record)} cells, and the header has "
                f"{len(file.columns)} columns.\nFix: as many; a text with "
                f"{file.separator!r} in it stands in double quotes"
            )
        for name, place in places:
            cell = record[place].strip()
            where = f"{file.path}, line {line}, column {name!r}"
            if not cell:
                raise empty(where)
            if name == label and cell.lower() in NO_LABEL:
                raise not_finite(where, cell)
            found[name].append(cell if name == label else _number(cell, where))
    columns: dict[str, Any] = {name: np.array(found[name], dtype=np.float64) for name in numeric}
    return columns if label is None else columns | {label: pl.Series(found[label], dtype=pl.String)}


def empty(where: str) -> InputError:
    """The error for a cell without a value."""
    return InputError(f"{where} is empty.\nFix: a value there, or the table without that row")


def not_finite(where: str, cell: object) -> InputError:
    """The error for NaN and infinity."""
    return InputError(f"{where} is {cell}, which is no finite number.\nFix: a value there, or the "
                      "table without that row")  # fmt: skip


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise _no_number(cell, where) from None
    if not math.isfinite(value):
        raise not_finite(where, cell)
    return value


def _no_number(cell: str, where: str) -> InputError:
    if cell.lower() in ("true", "false"):
        return no_bool(where, cell)
    if DATE.fullmatch(cell):
        return no_date(where, cell)
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        fix = "a point before the decimals"
    else:
        fix = "a number there; a text can only be the target of a run with loss=cross_entropy"
    return InputError(f"{where} is {cell!r}: a text, and no number.\nFix: {fix}")


def no_bool(where: str, cell: str) -> InputError:
    """The error for a column of true and false."""
    return InputError(f"{where} is {cell!r}: a bool, and no number.\nFix: 1 and 0 in their place")


def no_date(where: str, cell: str) -> InputError:
    """The error for a column of dates or times."""
    return InputError(f"{where} is {cell!r}: a date or a time, and no number.\n"
                      "Fix: a number in its place, such as days since the first one")  # fmt: skip


def _parquet(file: TableFile, numeric: Sequence[str], label: str | None) -> dict[str, Any]:
    import polars as pl

    names = [*numeric] if label is None else [*numeric, label]
    try:
        frame = file.scan().select(names).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file.path} cannot be read: {str(error).splitlines()[0]}") from error
    return {name: _column(file, frame[name], name == label) for name in names}


def _column(file: TableFile, values: "pl.Series", is_label: bool) -> Any:
    import polars as pl

    def where(row: int) -> str:
        return f"{file.row(row)}, column {values.name!r}"

    first = "" if values.is_empty() else str(values[0])
    kind = values.dtype
    if kind == pl.Boolean:
        raise no_bool(where(0), first)
    if kind.is_temporal():
        raise no_date(where(0), first)
    is_text = str(kind).partition("(")[0] in TEXTS
    if is_text and not is_label:
        raise _no_number(first, where(0))
    if not (is_text or kind.is_numeric()):
        raise InputError(f"{where(0)} holds {kind}: no number.\nFix: a column of numbers")
    if values.null_count():
        raise empty(where(int(values.is_null().arg_max() or 0)))
    if is_label:
        texts = values.cast(pl.String).str.strip_chars()
        missing = texts.str.to_lowercase().is_in(NO_LABEL)
        if missing.any():
            row = int(missing.arg_max() or 0)
            raise not_finite(where(row), texts[row]) if texts[row] else empty(where(row))
        return texts
    numbers = values.cast(pl.Float64)
    if not numbers.is_finite().all():
        row = int((~numbers.is_finite()).arg_max() or 0)
        raise not_finite(where(row), numbers[row])
    return numbers.to_numpy()
