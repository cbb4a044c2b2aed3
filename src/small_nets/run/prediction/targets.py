"""Reads the targets of a table that is predicted, to score the predictions.

A row with a missing target is predicted all the same, and left out of the score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from small_nets.config.errors import InputError
from small_nets.data.class_labels import POINT_NOUGHT, WHOLE
from small_nets.data.feature_columns import column_numbers
from small_nets.data.missing_values import is_missing
from small_nets.data.table_cells import Column, read_cells
from small_nets.data.table_file import TableFile
from small_nets.data.table_settings import names_of


@dataclass(frozen=True)
class Known:
    """Known targets.

    values: (rows, outputs), in raw units, one-hot for several classes; NaN in rows without one.
    notes: which rows have none, and why.
    """

    values: Tensor
    notes: tuple[str, ...] = ()


def known_targets(
    file: TableFile, data: Mapping[str, Any], rows: Sequence[int], outputs: int
) -> Known | None:
    """The targets of these rows of a file; None where it lacks a target column.

    data: the data section of the run's config. outputs: of the network; 1 may stand for two
    classes. Raises InputError where the file is not a valid table.
    """
    names = names_of(data["target"])
    if not all(name in file.columns for name in names):
        return None
    cells = read_cells(file, [file.position(name) for name in names])
    places = np.asarray(rows, dtype=np.int64)
    columns = [column[places] for column in cells.frame.get_columns()]
    if file.is_csv:
        columns = [column.str.strip_chars() for column in columns]
    lacking = np.logical_or.reduce([is_missing(column).to_numpy() for column in columns])
    notes = _note(int(lacking.sum()), names, "is missing")
    present = np.flatnonzero(~lacking)
    taken = [
        Column(name, column[present], cells, places[present])
        for name, column in zip(names, columns, strict=True)
    ]
    values = np.full((len(rows), outputs), np.nan)
    if data["classes"] is not None:
        values[present], more = _labels(taken[0], data["classes"], outputs)
        return Known(torch.from_numpy(values), notes + more)
    try:
        found = [_numbers(column) for column in taken] if len(present) else []
    except InputError as error:
        return Known(torch.from_numpy(values), (f"not scored: {str(error).splitlines()[0]}",))
    values[present] = np.stack(found, axis=1) if found else np.nan
    return Known(torch.from_numpy(values), notes)


def _note(count: int, names: Sequence[str], why: str) -> tuple[str, ...]:
    what = " or ".join(map(repr, names))
    rows = f"{count:,} row{'s' if count > 1 else ''}"
    return (f"not scored: {rows} of which {what} {why}",) if count else ()


def _numbers(column: Column) -> np.ndarray:
    """A target of numbers, (rows,). Raises InputError where a cell is not a number."""
    numbers = column_numbers(column)
    if numbers is None:
        raise column.error(0, f"is {column.values[0]!r}: a text, not a number", "a number there")
    return numbers


def _labels(
    column: Column, classes: Sequence[str], outputs: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A target of classes, (rows, outputs), with NaN for unknown classes; a note about these."""
    places = {name: i for i, name in enumerate(classes)}
    texts = column.values.cast(pl.String).to_list()
    codes = np.array([places.get(text, places.get(_other(text), -1)) for text in texts], dtype=int)
    strange = dict.fromkeys(t for t, code in zip(texts, codes, strict=True) if code < 0)
    shown = ", ".join(map(repr, [*strange][:5])) + (", …" if len(strange) > 5 else "")
    why = f"is a class that the run has not learned ({shown})"
    notes = _note(int((codes < 0).sum()), [column.name], why)
    values = codes[:, None].astype(float) if outputs == 1 else np.eye(len(classes))[codes]
    values[codes < 0] = np.nan
    return values, notes


def _other(text: str) -> str:
    """The other spelling of a whole number: 1 may be 1.0 in another file, or in another type."""
    if WHOLE.fullmatch(text):
        return f"{text}.0"
    return text[:-2] if POINT_NOUGHT.fullmatch(text) else text
