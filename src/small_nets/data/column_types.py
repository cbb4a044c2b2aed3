"""Converts column types: to a text that a run stores, back again, and from texts of a CSV."""

import json

import polars as pl

from small_nets.config.errors import InputError

# Types of a label that are fully described by their name.
PLAIN = ("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64",
         "Float32", "Float64", "Boolean", "String", "Categorical")  # fmt: skip
# Texts of a CSV file that become numbers in a Parquet file. Others would lose their spelling.
INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def type_name(kind: pl.DataType) -> str | None:
    """The text for a type, such as Int64 or Enum ["a"]; None for a type that labels cannot have."""
    if isinstance(kind, pl.Enum):
        return f"Enum {json.dumps(kind.categories.to_list())}"
    if isinstance(kind, pl.Decimal):
        return f"Decimal {json.dumps([kind.precision, kind.scale])}"
    name = str(kind).partition("(")[0]
    return name if name in PLAIN else None


def as_type(labels: pl.Series, name: str | None) -> pl.Series:
    """Cast labels from texts to the type that a run stored. name: the type's text; None: String.

    Raises InputError for an unknown type, or for labels that it cannot hold.
    """
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
        raise InputError(f"the labels of the run do not fit the type {name}: {error}") from error
    raise InputError(f"the labels of the run are stored as {name!r}, which is not a column type")


def guess_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Cast columns of texts to integers, floats or booleans where every cell is one.

    Texts such as 007, which would lose their spelling, stay texts.
    """
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
