"""Reads the numbers of a column from texts or from a numeric type.

A decimal comma is read if the whole file has decimal commas. A mark that may stand for thousands
or for decimals is refused, not guessed.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from small_nets.config.errors import InputError
from small_nets.data.column_names import shown
from small_nets.data.missing_values import is_missing
from small_nets.data.table_cells import Column, read_cells
from small_nets.data.table_file import TableFile

Array = NDArray[np.float64]
SIGN = r"^[+-]?"
POWER = r"(?:[eE][+-]?[0-9]+)?$"
COMMA, POINT = SIGN + r"[0-9]*,[0-9]+" + POWER, SIGN + r"[0-9]*\.[0-9]+" + POWER
# One mark with three digits behind it: 5,850 is 5850 or 5.85. 0,850 and 1234,850 are decimals.
EITHER = SIGN + r"[1-9][0-9]{0,2}[.,][0-9]{3}$"
# Marks between thousands: 1.234.567, 1'000, 1 000, 1.234,5
MARKED = SIGN + "[0-9]{1,3}(?:[.,'\u2019 \u00a0\u2009\u202f][0-9]{3})+(?:[.,][0-9]+)?$"
WHOLE = SIGN + r"[0-9]+$"
# Quotes that became part of a cell, behind a blank or because they were written twice.
QUOTED = r"""^["'][+-]?[0-9.,]+["']?$"""
# A typographic minus, which neither Python nor polars reads as one.
DASH = r"^[\u2212\u2013\u2014\ufe63\uff0d][0-9.,]+$"
UNIT = r"^(?:[€$£¥]\s*[+-]?[0-9.,]+|[+-]?[€$£¥]?[0-9.,]+\s*[%€$£¥])$"


def numbers_of_texts(column: Column) -> Array | None:
    """The numbers of a column of texts, shape (rows,); None where no cell is a number.

    true and false, in capitals or not, are 1 and 0. Raises InputError where only some cells are
    numbers, or a number can be read in two ways.
    """
    texts = column.values
    numbers = texts.cast(pl.Float64, strict=False)
    wrong = numbers.is_null()
    if wrong.any():
        with_commas = _with_commas(column, wrong)
        if with_commas is None:
            return _bools(column, wrong)
        numbers = with_commas
    elif column.cells.may_hold_commas:
        _refuse_thousands(column)
    return finite(column, numbers)


def finite(column: Column, numbers: pl.Series) -> Array:
    """The numbers as an array, shape (rows,). Raises InputError for one that is not finite."""
    row = numbers.is_finite().index_of(False)
    if row is not None:
        raise column.error(
            row,
            f"is {column.values[row]}, which is not a finite number",
            "a value there, or the table without that row",
        )
    return np.array(numbers.to_numpy())  # copied, because polars returns read-only memory


def refuse_merged(column: Column, numbers: Array) -> None:
    """Raises InputError where different whole numbers are equal in float64, as from 2^53 on."""
    far, values = np.abs(numbers) >= 2**53, column.values
    if not far.any() or not (values.dtype.is_integer() or values.dtype == pl.String):
        return
    whole = pl.Series(far)
    if values.dtype == pl.String:
        whole &= values.str.contains(WHOLE)
        values = values.str.replace(r"^([+-]?)0*", "$1").str.strip_prefix("+")
    cells = pl.DataFrame({"value": values, "number": numbers}).with_row_index("row").filter(whole)
    first = cells.unique(["value", "number"], keep="first", maintain_order=True)
    twins = first.filter(pl.col("number").is_duplicated())
    if len(twins):
        row, value, number = twins.row(0)
        other, twin, _ = twins.filter(pl.col("number") == number).row(1)
        raise column.error(
            row,
            f"is {value}, and {column.at(other)} has {twin}: one and the same in float64, which "
            f"tells whole numbers apart up to {2**53:,}",
            "smaller numbers there, such as the difference to the first; an id is not an input",
        )


def _bools(column: Column, wrong: pl.Series) -> Array | None:
    lower = column.values.str.to_lowercase()
    is_bool = lower.is_in(["true", "false"])
    if is_bool.all():
        return np.array((lower == "true").to_numpy(), dtype=np.float64)
    # A cell that looks like a number counts as one: 1,5 beside a text is not a category.
    is_text = wrong & ~_has_marks(column.values)
    row, other = is_text.index_of(True) or 0, is_text.index_of(False)
    if other is None:
        _refuse_units(column)
        return None
    count = int(is_text.sum())
    raise column.error(
        row,
        f"is {shown(column.values[row])}: a text, not a number, while {column.at(other)} has "
        f"{shown(column.values[other])} ({count:,} of {len(is_text):,} rows are texts)",
        "numbers, or texts, in every row; an empty cell where a value is missing "
        "(data.missing=drop)",
    )


def _refuse_units(column: Column) -> None:
    for form, what in (
        (UNIT, "a sign"),
        (QUOTED, "quotes that are part of the text"),
        (DASH, "a dash in place of the minus"),
    ):
        if column.values.str.contains(form).all():
            what = f"is {shown(column.values[0])}: a number with {what}"
            raise column.error(0, what, "the number alone, such as -1.5")


def _has_marks(texts: pl.Series) -> pl.Series:
    """A boolean per text: whether it is a number with a decimal comma, or with thousands marks."""
    return texts.str.contains(COMMA) | texts.str.contains(MARKED)


def _with_commas(column: Column, wrong: pl.Series) -> pl.Series | None:
    """The numbers of a column with decimal commas; None where some cells are plain texts."""
    texts = column.values
    if not (_has_marks(texts) | ~wrong).all():
        return None
    has_comma = texts.str.contains(COMMA)
    odd = (wrong & ~has_comma).index_of(True)
    if odd is not None:
        raise column.error(
            odd,
            f"is {texts[odd]!r}: a number with marks between its digits",
            f"the digits alone, such as {_digits(texts[odd])}, and a point before decimals",
        )
    row = has_comma.index_of(True) or 0
    style = _style(column.cells.file)
    other = texts.str.contains(POINT).index_of(True)
    if other is not None:
        raise column.error(
            row,
            f"is {texts[row]!r}, with a comma, and {column.at(other)} has {texts[other]!r}",
            "one sign before decimals in the whole file, and none between thousands",
        )
    if style.comma is None:
        raise _two_readings(column, row, style)
    if style.point is not None:
        raise column.error(
            row,
            f"is {texts[row]!r}, with a comma, and elsewhere the file has decimal points, such as "
            f"{style.point!r}",
            "a point before decimals in the whole file",
        )
    return texts.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)


def _refuse_thousands(column: Column) -> None:
    """Raises InputError where points may separate thousands, in a file with decimal commas."""
    either = column.values.str.contains(EITHER)
    clear = column.values.str.contains(POINT) & ~either
    row = either.index_of(True)
    if row is not None and not clear.any():
        style = _style(column.cells.file)
        if style.comma is not None:
            raise _two_readings(column, row, style)


def _two_readings(column: Column, row: int, style: "Style") -> InputError:
    text = column.values[row]
    whole, decimal = _digits(text), f"{float(text.replace(',', '.')):g}"
    because = "" if style.comma is None else f" (elsewhere the file has {style.comma!r})"
    return column.error(
        row,
        f"is {text!r}, which is {whole} or {decimal}{because}",
        f"{whole} there, or {decimal}, and so in the whole column",
    )


def _digits(text: str) -> str:
    """The number without thousands marks. Of two kinds of marks the last begins the decimals."""
    marks = re.findall(r"[^\d+-]", text)
    last = marks[-1] if len(set(marks)) > 1 and marks.count(marks[-1]) == 1 else ""
    whole, _, decimals = text.rpartition(last) if last else (text, "", "")
    return re.sub(r"[^\d-]", "", whole) + (f".{decimals}" if decimals else "")


@dataclass(frozen=True)
class Style:
    """How a file writes decimals. comma, point: an unambiguous number from it with a decimal comma
    or a decimal point; None where there is none.
    """

    comma: str | None
    point: str | None


@lru_cache(maxsize=4)
def _style(file: TableFile) -> Style:
    # All columns are read: what a number means must not depend on which ones are asked for.
    cells = read_cells(file, range(len(file.columns)))
    found: dict[str, str | None] = {COMMA: None, POINT: None}
    for texts in (column.str.strip_chars() for column in cells.frame.get_columns()):
        texts = texts.filter(~is_missing(texts))
        for form, example in found.items():
            is_whole = texts.str.contains(WHOLE)
            of_form = texts.str.contains(form)
            if example is None and of_form.any() and (of_form | is_whole).all():
                clear = texts.filter(of_form & ~texts.str.contains(EITHER))
                found[form] = clear[0] if len(clear) else None
    return Style(found[COMMA], found[POINT])
