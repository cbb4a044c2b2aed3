"""Encodes the labels of a classification: from a column to class numbers."""

import re
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from small_nets.config.component_facts import Task
from small_nets.config.errors import InputError
from small_nets.data.column_names import shown
from small_nets.data.column_types import type_name
from small_nets.data.dates import is_date
from small_nets.data.table_cells import Column

MOST = 100  # classes; a column with more holds numbers, or a name for each row
# Texts of a CSV file that are read as numbers. 01, +1, 1e3 and 1_0 stay texts.
WHOLE = re.compile(r"-?[1-9][0-9]{0,30}|0", re.ASCII)
POINT_NOUGHT = re.compile(r"(-?[1-9][0-9]{0,30}|0)\.0", re.ASCII)
FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]+", re.ASCII)
INFINITE = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
INT64 = range(-(2**63), 2**63)


def encode(column: Column, task: Task) -> tuple[NDArray[np.float64], tuple[str, ...], str]:
    """The class number of each row, shape (rows,); the sorted classes; the type of the labels.

    Classes are named as the table writes them. Whole numbers are sorted as numbers. Raises
    InputError where the column cannot be the target of a classification.
    """
    texts = _texts(column)
    distinct = texts.unique().sort().to_list()
    if column.is_csv or column.values.dtype.is_float():
        _refuse_fractions(column, texts, distinct)
    if len(distinct) > MOST:
        raise column.whole_error(
            f"has {len(distinct):,} different values, and a classification at most {MOST} classes",
            "loss=mse where they are numbers, else another data.target",
            role="target",
        )
    if all(map(is_date, distinct)):
        raise _no_dates(column, distinct[0])
    classes, kind = _sorted(column, distinct)
    if len(classes) == 1:
        raise column.whole_error(
            f"has one class, {shown(classes[0])}, in every row: there is nothing to learn",
            "another data.target",
            role="target",
        )
    if task == "binary" and len(classes) != 2:
        raise column.whole_error(
            f"has {len(classes)} classes ({', '.join(text[:60] for text in classes[:10])}"
            f"{', …' if len(classes) > 10 else ''}), and loss=bce tells two apart",
            "loss=cross_entropy model.output_activation=identity",
            role="target",
        )
    places = {text: float(place) for place, text in enumerate(classes)}
    codes = texts.replace_strict(places, return_dtype=pl.Float64).to_numpy()
    return np.array(codes), classes, kind


def _texts(column: Column) -> pl.Series:
    """Each row's label as a text. Raises InputError for a type that cannot be a label."""
    values, kind = column.values, column.values.dtype
    if kind.is_temporal():
        raise _no_dates(column, values[0])
    if type_name(kind) is None:
        raise column.whole_error(
            f"holds {kind}, which are not labels", "a column of texts or numbers", role="target"
        )
    if kind.is_float():
        row = values.is_finite().index_of(False)
        if row is not None:
            raise column.error(row, f"is {values[row]}, which is not a label", "a label there")
        values = values.set(values == 0, 0.0)  # makes -0.0 and 0.0 one label
    return values.cast(pl.String)


def _no_dates(column: Column, first: object) -> InputError:
    return column.whole_error(
        f"holds dates, such as {str(first)!r}, not classes",
        "another data.target, such as the year",
        role="target",
    )


def _refuse_fractions(column: Column, texts: pl.Series, distinct: list[str]) -> None:
    """Raises InputError for numbers that cannot be labels: with decimals, or infinite."""
    if not column.is_csv:
        fractions = texts.filter(column.values.floor() != column.values).unique().sort().to_list()
    else:
        infinite = [text for text in distinct if INFINITE.fullmatch(text)]
        others = [text for text in distinct if text not in infinite]
        if not all(WHOLE.fullmatch(t) or FRACTION.fullmatch(t) for t in others):
            return
        if infinite and others:
            row = texts.index_of(infinite[0])
            assert row is not None, "it is one of the distinct texts"
            raise column.error(
                row, f"is {infinite[0]}, which is not a finite number", "a label there"
            )
        fractions = [text for text in others if text.rpartition(".")[2].strip("0") and "." in text]
    if fractions:
        raise column.whole_error(
            f"holds numbers such as {fractions[0]}, not classes",
            "loss=mse, or a target of whole numbers or texts",
            role="target",
        )


def _sorted(column: Column, distinct: list[str]) -> tuple[tuple[str, ...], str]:
    """The classes in order, and the type in which a prediction returns their labels."""
    kind = column.values.dtype
    if not column.is_csv:
        name = type_name(kind)
        assert name is not None, "texts_of has refused the others"
        is_numeric = kind.is_numeric()
        return tuple(sorted(distinct, key=Decimal if is_numeric else None)), name
    if all(WHOLE.fullmatch(text) for text in distinct):
        fits = all(int(text) in INT64 for text in distinct)
        return tuple(sorted(distinct, key=int)), "Int64" if fits else "String"
    if all(POINT_NOUGHT.fullmatch(text) for text in distinct):
        # A longer float would be written with an exponent, which is another text.
        fits = all(len(text) < 15 for text in distinct)
        return tuple(sorted(distinct, key=lambda t: int(t[:-2]))), "Float64" if fits else "String"
    return tuple(sorted(distinct)), "String"
