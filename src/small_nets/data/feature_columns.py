"""Turns columns of a table into features: numbers as they are, texts as one-hot columns.

The categories of a text column are those of the training table. They are stored with the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from small_nets.config.errors import InputError, nearest
from small_nets.data.column_names import shown, without
from small_nets.data.dates import is_date
from small_nets.data.numeric_columns import finite, numbers_of_texts, refuse_merged
from small_nets.data.table_cells import Column

MOST = 100  # categories of a column; one with more is an id, or free text
FEW = 10  # in so few rows all texts may differ by chance
Categories = Mapping[str, Sequence[str]]
Unseen = Literal["refuse", "zero"]


def feature_names(inputs: Sequence[str], categories: Categories | None) -> list[str]:
    """The names of the network's inputs, such as age, city=Paris, city=Rome."""
    known = categories or {}
    return [
        name if text is None else f"{name}={text}"
        for name in inputs
        for text in known.get(name, [None])
    ]


def in_terms_of_table(
    row: Sequence[float], inputs: Sequence[str], categories: Categories | None
) -> list[float | str | None]:
    """A row of features as its table has it: one-hot columns become a text, or None if unseen.

    row: shape (features,). inputs: the input columns. Returns a value for each of them.
    """
    known, place = categories or {}, 0
    found: list[float | str | None] = []
    for name in inputs:
        texts = known.get(name)
        if texts is None:
            found.append(row[place])
        else:
            hot = row[place : place + len(texts)]
            found.append(next((t for t, x in zip(texts, hot, strict=True) if x > 0.5), None))
        place += 1 if texts is None else len(texts)
    return found


def features(
    column: Column, known: Categories | None, unseen: Unseen
) -> tuple[NDArray[np.float64], list[str] | None]:
    """The features of a column, (rows, features), float64, and its categories.

    The categories are None for a column of numbers. known: those of a trained run's text columns;
    None to find them. Raises InputError for a column of neither numbers nor categories.
    """
    if known is not None and column.name in known:
        texts = list(known[column.name])
        return _one_hot(column, texts, unseen), texts
    numbers = column_numbers(column)
    if numbers is not None:
        if known is None:
            refuse_merged(column, numbers)
        return numbers[:, None], None
    if known is not None:
        raise column.error(0, f"is {shown(column.values[0])}: a text, not a number",
                           "a number, as in the table that the run was trained on")  # fmt: skip
    texts = _found(column)
    return _one_hot(column, texts, unseen), texts


def column_numbers(column: Column) -> NDArray[np.float64] | None:
    """The numbers of a column, shape (rows,); None for texts. A boolean is 1 or 0.

    Raises InputError for dates, for nested types, and for texts that only resemble numbers.
    """
    kind = column.values.dtype
    if kind in (pl.Categorical, pl.Enum) or (kind == pl.String and not column.is_csv):
        return None  # a column with a text type stays text, even if it looks like numbers
    if kind == pl.String:
        return numbers_of_texts(column)
    if kind.is_temporal():
        raise no_date(column, str(column.values[0]))
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise column.whole_error(
            f"holds {kind}: neither numbers nor texts",
            f"a column of numbers or texts; or {without([column.name])}",
        )
    return finite(column, column.values.cast(pl.Float64))


def no_date(column: Column, first: str) -> InputError:
    """The error for a column of dates or times."""
    return column.error(
        0,
        f"is {first!r}: a date or a time, not a number",
        f"a number in its place, such as days since the first one; or {without([column.name])}",
    )


def _as_texts(column: Column) -> pl.Series:
    kind = column.values.dtype
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        raise column.whole_error(f"holds {kind}: no text", "a column of texts")
    return column.values.cast(pl.String)


def _found(column: Column) -> list[str]:
    """The sorted categories of a text column of a training table. Raises InputError."""
    texts = _as_texts(column)
    distinct = texts.unique().sort().to_list()
    if all(map(is_date, distinct)):
        raise no_date(column, distinct[0])
    is_id = FEW < len(distinct) == len(column.values)  # each row has a text of its own
    if len(distinct) <= MOST and not is_id:
        return distinct
    examples = ", ".join(map(shown, distinct[:3]))
    fix = without([column.name])
    if not column.is_csv and texts.str.contains(r"^[0-9.+-]+$").all():
        fix = f"numbers in place of its texts, or {fix}"
    raise column.whole_error(
        f"has {len(distinct):,} different texts in {len(column.values):,} rows ({examples}, …): an "
        f"id, or free text. An input of texts has at most {MOST}, and some of them more than once",
        fix,
    )


def _one_hot(column: Column, categories: Sequence[str], unseen: Unseen) -> NDArray[np.float64]:
    texts = _as_texts(column)
    places = {text: place for place, text in enumerate(categories)}
    codes = texts.replace_strict(places, default=-1, return_dtype=pl.Int64)
    row = codes.index_of(-1)
    if unseen == "refuse" and row is not None:
        raise column.error(row, *unknown_category(texts[row], categories))
    return (codes.to_numpy()[:, None] == np.arange(len(categories))).astype(np.float64)


def unknown_category(text: str, categories: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a text that the training table does not have, and the fix."""
    known = ", ".join(map(shown, categories[:10])) + (", …" if len(categories) > 10 else "")
    return (
        f"is {shown(text)}, which the table that the run was trained on does not have"
        f"{nearest(text, categories)}",
        f"one of {known}; or a run with data.unseen=zero, to which it is none of them",
    )
