"""Rows that a prediction is asked for: JSON on the command line, or a CSV file of numbers."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from src.errors import InputError

Rows = list[list[float]]


def is_json(text: str) -> bool:
    """Whether these are rows, and not the name of a file."""
    return text.lstrip().startswith("[")


def parse_inputs(text: str, columns: int) -> Rows:
    """Rows of `columns` finite numbers, from JSON or from a CSV file with or without a header.

    Raises InputError, with the row that is wrong.
    """
    rows = _from_json(text) if is_json(text) else _from_csv(Path(text))
    if not rows:
        raise InputError(
            f"--inputs {text} holds no row of numbers (numbers are separated by commas)"
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != columns:
            is_row = isinstance(row, list)
            found = f"has {len(row)} columns" if is_row else f"is {row!r}, and no list of numbers"
            raise InputError(
                f"--inputs: row {number} {found}; the network takes {columns} a row.\n"
                f"Fix: rows like {json.dumps([[0.0] * columns])}"
            )
        for value in row:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise InputError(f"--inputs: row {number} holds {value!r}, not a finite number")
    return rows


def _from_json(text: str) -> list[Any]:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(
            f"--inputs {text} is not JSON: {error}\nFix: rows in brackets, in quotes: '[[10.0]]'"
        ) from error


def _from_csv(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [(i, row) for i, row in enumerate(csv.reader(io.StringIO(text)), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--inputs {path}: {reason}\nAllowed: rows as JSON ('[[10.0]]'), or a CSV file"
        ) from error

    def is_number(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return False
        return True

    if lines and not any(map(is_number, lines[0][1])):
        lines = lines[1:]  # a header: names, and no number among them
    for number, row in lines:
        for cell in row:
            if not is_number(cell):
                raise InputError(f"--inputs {path}: line {number} holds {cell!r}, not a number")
    return [[float(cell) for cell in row] for _, row in lines]
