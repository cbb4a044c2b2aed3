"""The types of columns: as a text that is stored with a run, and back; and of texts of CSV."""

import json

import polars as pl

from small_nets.config.errors import InputError

# Of the types that a label can have, those that their name says all of.
PLAIN = ("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64",
         "Float32", "Float64", "Boolean", "String", "Categorical")  # fmt: skip
# Texts of a CSV file that go on as Parquet get a type only where no spelling is lost by it.
INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def type_name(kind: pl.DataType) -> str | None:
    """The text for a type, such as Int64 or Enum ["a"]; None for one that no label has."""
    if isinstance(kind, pl.Enum):
        return f"Enum {json.dumps(kind.categories.to_list())}"
    if isinstance(kind, pl.Decimal):
        return f"Decimal {json.dumps([kind.precision, kind.scale])}"
    name = str(kind).partition("(")[0]
    return name if name in PLAIN else None


def as_type(labels: pl.Series, name: str | None) -> pl.Series:
    """Labels as texts to labels of the type that a run has stored. Raises InputError."""
    word, _, more = (name or "String").partition(" ")
    try:
        if word == "Boolean":
            return labels == "true"
        if word == "Enum":
            return labels.cast(pl.Enum(json.loads(more)))
        if word == "Decimal":
            return labels.cast(pl.Decimal(*json.loads(more)))
        if word in PLAIN and not more:
            return labels.cast(getattr(pl, word))
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the run's labels cannot be {name}: {error}") from error
    raise InputError(f"the run's labels are stored as {name!r}, which is no type of a column")


def guess_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of texts as integers, numbers or bools where each cell is one; 007 stays a text."""
    return frame.with_columns(_guessed(column) for column in frame.get_columns())


def _guessed(column: pl.Series) -> pl.Series:
    cells = column.drop_nulls()
    if cells.is_empty():
        return column
    if cells.str.contains(INTEGER).all():
        return column.cast(pl.Int64)
    if cells.str.contains(NUMBER).all():
        return column.cast(pl.Float64)
    lower = column.str.to_lowercase()
    return lower == "true" if lower.is_in(["true", "false"]).all() else column
