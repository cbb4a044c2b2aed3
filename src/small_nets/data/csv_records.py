"""Reads the records of a CSV file by the csv module in its strict mode.

A fast reader that guesses where a quoted cell ends may lose rows or join them. Here a quote opens
a cell only at the cell's beginning. Inside the cell a quote is written twice, and the cell must be
closed. Elsewhere a quote is a character like any other.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError

BLOCK = 4096  # records at a time
Records = tuple[Sequence[int], list[list[str]]]


def records(
    path: Path, text: str, separator: str, is_spaced: bool = False, block: int = BLOCK
) -> Iterator[Records]:
    """Yield `block` records at a time: the lines in which they start, and their cells.

    A blank line is the record []. is_spaced: whether blanks between a separator and a quote are
    skipped. Raises InputError where a quote is not closed, or text follows a closing quote.
    """
    reader, line = _reader(text, separator, is_spaced), 1
    while True:
        try:
            with _long_cells(len(text)):
                found = list(islice(reader, block))
        except csv.Error as error:
            raise _quote_error(path, text, separator, is_spaced) from error
        if not found:
            return
        after = reader.line_num + 1
        yield range(line, after) if after - line == len(found) else _starts(line, found), found
        line = after


def _reader(text: str, separator: str, is_spaced: bool) -> Any:
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=is_spaced, strict=True
    )


def _starts(line: int, block: Sequence[Sequence[str]]) -> list[int]:
    """The lines in which records start, where some records have several lines."""
    lengths = (1 + sum(map(_breaks, record)) for record in block[:-1])
    return list(accumulate(lengths, initial=line))


@contextmanager
def _long_cells(length: int) -> Iterator[None]:
    """Within the block the csv module accepts cells above 128 KiB, which it usually refuses.

    The limit concerns the whole process, so it is set back at the end.
    """
    before = csv.field_size_limit(max(length, 1) + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _quote_error(path: Path, text: str, separator: str, is_spaced: bool) -> InputError:
    """The error for the first record that the csv module cannot read."""
    reader, line = _reader(text, separator, is_spaced), 1
    with _long_cells(len(text)), suppress(csv.Error):
        for _ in reader:
            line = reader.line_num + 1
    file = io.StringIO(text, newline="")
    for _ in range(line - 1):
        next(file)
    rest = file.read()
    blanks = " *" if is_spaced else ""
    opening = re.compile(rf'(?:\A|[{re.escape(separator)}\r\n]){blanks}"')
    place = 0
    while (match := opening.search(rest, place)) is not None:
        opened = line + _breaks(rest[: match.end()])
        place = _closing(rest, match.end())
        if place < 0:
            return InputError(
                f"{path}, line {opened}: a double quote opens a cell there, and nothing closes "
                "it.\n"
                "Fix: the closing quote. If the quote is part of the text, put the whole cell "
                'in quotes and write that one twice: "pipe 1"""'
            )
        place += 1
        if rest[place : place + 1] not in ("", separator, "\r", "\n"):
            closed = line + _breaks(rest[:place])
            between = "" if closed == opened else f", opened in line {opened},"
            return InputError(
                f"{path}, line {closed}: a quoted cell{between} ends there, and text follows its "
                f"closing quote.\nFix: {separator!r} or the line's end behind it; a quote inside a "
                'quoted cell is written twice: "5"" pipe"'
            )
    raise AssertionError("the csv module refuses quotes alone")


def _closing(text: str, start: int) -> int:
    """The place of the quote that closes a cell whose text begins at `start`, or -1."""
    place = text.find('"', start)
    while place >= 0 and text[place + 1 : place + 2] == '"':
        place = text.find('"', place + 2)
    return place


def _breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
