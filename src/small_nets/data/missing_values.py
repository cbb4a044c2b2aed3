"""Finds missing values, in columns of numbers, texts and labels alike."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from small_nets.config.errors import InputError
from small_nets.data.column_names import without
from small_nets.data.table_cells import Cells

Missing = Literal["refuse", "drop"]
# Texts that mean a missing value, exactly as written: Na is sodium, and "none" is an answer.
WORDS = (
    *("", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "<NA>", "null", "NULL", "Null", "None"),
    *("nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "-", "?"),
)


def is_missing(values: pl.Series) -> pl.Series:
    """A boolean per cell: whether it is empty, null, NaN, or one of WORDS."""
    if values.dtype == pl.Null:
        return pl.Series(values.name, [True] * len(values), dtype=pl.Boolean)
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return values.cast(pl.String).str.strip_chars().is_in(WORDS).fill_null(True)
    found = values.is_null()
    return found | values.is_nan().fill_null(True) if values.dtype.is_float() else found


def present(
    cells: Cells, names: Sequence[str], missing: Missing, targets: Sequence[str] = ()
) -> pl.Series:
    """A boolean per row: whether every column has a value there.

    names: of the columns. targets: the names of the targets; empty for rows to predict. Raises
    InputError where values are missing and `missing` is "refuse", where a column has no value at
    all, and where fewer than two rows would be left.
    """
    is_asked = not targets
    absent = [is_missing(column) for column in cells.frame.get_columns()]
    lacking = pl.DataFrame(absent).select(pl.any_horizontal(pl.all())).to_series()
    if not lacking.any() or (missing == "drop" and is_asked):
        return ~lacking
    path, rows, count = cells.file.path, len(cells), int(lacking.sum())
    nowhere = [name for name, column in zip(names, absent, strict=True) if column.all()]
    if nowhere and not is_asked:
        which = ", ".join(map(repr, nowhere))
        inputs = [name for name in nowhere if name not in targets]
        fixes = [without(inputs)] * bool(inputs) + ["another data.target"] * (inputs != nowhere)
        raise InputError(f"{path} has no value in any row of {which}.\nFix: {'; '.join(fixes)}")
    if missing == "drop" and count < rows - 1:
        return ~lacking
    lines = [
        _line(cells, name, place, column)
        for place, (name, column) in enumerate(zip(names, absent, strict=True))
        if column.any()
    ]
    fix = "values there, or the table without those rows"
    if not is_asked:
        fix = f"data.missing=drop, which leaves out {count:,} of {rows:,} rows; or values there"
    if count >= rows - 1 and not is_asked:
        fix = "values there, or other columns: too few rows have a value in each of these"
    raise InputError(
        f"{path}: values are missing in {len(lines)} of the {len(names)} columns in use:\n"
        + "\n".join(lines)
        + f"\nFix: {fix}{cells.counted}"
    )


def _line(cells: Cells, name: str, place: int, absent: pl.Series) -> str:
    """A line that says how many cells of a column are missing, and where the first one is."""
    row = absent.arg_true()[0]
    cell = cells.frame.get_columns()[place][row]
    shown = "empty" if cell is None or str(cell).strip() == "" else repr(str(cell))
    count = int(absent.sum())
    rows = f"{count:,} of {len(absent):,} rows"
    return f"  column {name!r}: {rows}, the first in {cells.at(row)} ({shown})"
