"""Parses the rows to predict: JSON on the command line, or a CSV file of numbers."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError
from small_nets.data.column_names import shown
from small_nets.data.csv_encoding import decode
from small_nets.data.csv_records import records
from small_nets.data.csv_separator import find_separator
from small_nets.data.feature_columns import Categories, Unseen, unknown_category

Rows = list[list[float]]
Cell = Any  # of JSON


def is_json(text: str) -> bool:
    """Whether a text is rows in JSON, not the name of a file."""
    return text.lstrip().startswith("[")


def parse_inputs(text: str, columns: int) -> Rows:
    """Parse rows of `columns` finite numbers, from JSON or a CSV file with or without a header.

    Raises InputError, which names the wrong row.
    """
    rows = _from_json(text) if is_json(text) else _from_csv(Path(text))
    if not rows:
        raise InputError(
            f"--inputs {text} holds no row of numbers (numbers are separated by commas)"
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != columns:
            is_row = isinstance(row, list)
            found = f"has {len(row)} columns" if is_row else f"is {shown(row)}, not a list"
            raise InputError(
                f"--inputs: row {number} {found}; the network takes {columns} a row.\n"
                f"Fix: rows like {json.dumps([[0.0] * columns])}"
            )
        for value in row:
            if isinstance(value, bool) or not _is_finite(value):
                raise InputError(
                    f"--inputs: row {number} holds {shown(value)}, not a finite number"
                )
    return rows


def _is_finite(value: object) -> bool:
    """Whether a value of JSON is a number that a float can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def parse_table_rows(
    text: str, inputs: Sequence[str], categories: Categories, unseen: Unseen
) -> tuple[list[list[Cell]], Rows]:
    """Parse rows for a run on a table, from JSON: lists in the order of its inputs, or mappings.

    A column of texts takes texts. Any other column takes finite numbers, or true and false for 1
    and 0. Returns the rows as given, and as features. Raises InputError, which names the wrong
    row.
    """
    rows = _from_json(text)
    if not rows:
        raise InputError(f"--inputs {text} holds no row")
    given = [_in_order(number, row, inputs, categories) for number, row in enumerate(rows, start=1)]
    found: Rows = []
    for number, row in enumerate(given, start=1):
        features: list[float] = []
        for name, value in zip(inputs, row, strict=True):
            where = f"--inputs: row {number}, {name!r}"
            features += _features(where, value, categories.get(name), unseen)
        found.append(features)
    return given, found


def _in_order(
    number: int, row: object, inputs: Sequence[str], categories: Categories
) -> list[Cell]:
    example = json.dumps([[categories[n][0] if n in categories else 0.0 for n in inputs]])
    fix = f"Fix: rows like {example}"
    if isinstance(row, dict):
        unknown = next((name for name in row if name not in inputs), None)
        absent = next((name for name in inputs if name not in row), None)
        if unknown is not None or absent is not None:
            what = f"has no {absent!r}" if absent is not None else f"has {unknown!r}"
            raise InputError(f"--inputs: row {number} {what}; the inputs are "
                             f"{', '.join(inputs)}.\n{fix}")  # fmt: skip
        return [row[name] for name in inputs]
    if not isinstance(row, list) or len(row) != len(inputs):
        found = f"has {len(row)} values" if isinstance(row, list) else f"is {row!r}, not a list"
        raise InputError(f"--inputs: row {number} {found}; the inputs are {', '.join(inputs)}.\n"
                         f"{fix}")  # fmt: skip
    return row


def _features(
    where: str, value: object, categories: Sequence[str] | None, unseen: Unseen
) -> list[float]:
    if categories is None:
        if not isinstance(value, int | float) or not _is_finite(value):
            raise InputError(
                f"{where} is {shown(value)}, not a finite number.\n"
                "Fix: a number without quotes, such as 1.5; true or false"
            )
        return [float(value)]
    if not isinstance(value, str):
        known = ", ".join(map(json.dumps, categories[:10]))
        raise InputError(f"{where} is {shown(value)}, and the column holds texts.\n"
                         f"Fix: one of {known}")  # fmt: skip
    if value not in categories and unseen == "refuse":
        what, fix = unknown_category(value, categories)
        raise InputError(f"{where} {what}.\nFix: {fix}")
    return [float(value == text) for text in categories]


def _from_json(text: str) -> list[Any]:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"--inputs {text[:80]} is not JSON: {error}\n"
            "Fix: rows in brackets, in quotes: '[[10.0]]'"
        ) from error


def _from_csv(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"--inputs {path}: {error.strerror or error}\n"
            "Allowed: rows as JSON ('[[10.0]]'), or a CSV file"
        ) from error
    text = decode(path, content)
    blocks = records(path, text, find_separator(path, text))
    lines = [found for block in blocks for found in zip(*block, strict=True) if found[1]]

    def is_number(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return False
        return cell.isascii() and "_" not in cell  # Python would read 1_0 and other digits, too

    if lines and not any(map(is_number, lines[0][1])):
        lines = lines[1:]  # the first line has no number, so it is a header
    for number, row in lines:
        for cell in row:
            if not is_number(cell):
                raise InputError(f"--inputs {path}: line {number} holds {cell!r}, not a number")
    return [[float(cell) for cell in row] for _, row in lines]
