"""Finds the separator of a CSV file: the one that gives all first records as many cells."""

import csv
import io
from itertools import islice
from pathlib import Path

from small_nets.config.data_schema import SEPARATORS
from small_nets.config.errors import InputError

FOUND = ",;\t|"  # a blank is never guessed, since texts are full of them
SAMPLE = 200  # records


def character(name: str) -> str:
    """The separator for a value of data.separator: a word such as comma, or the character."""
    return SEPARATORS.get(name, name)


def word(separator: str) -> str:
    """The word for a separator, as it is typed."""
    return next(name for name, found in SEPARATORS.items() if found == separator)


def find_separator(path: Path, sample: str, prefer: str | None = None) -> str:
    """The separator with which every record of the sample has as many cells as the header.

    sample: the start of the file. prefer: which to take where several fit. A comma is taken for a
    file with one column. Raises InputError where several fit, or where only the first line does
    not.
    """
    candidates = FOUND if prefer is None or prefer in FOUND else FOUND + prefer
    parted = {c: _parted(sample, c) for c in candidates}
    widths = {c: found for c, (found, is_whole) in parted.items() if is_whole}
    even = [c for c, found in widths.items() if len(set(found)) == 1 and found[0] > 1]
    if len(even) > 1 and prefer not in even and len(widths[even[0]]) > 1:
        ways = " and at ".join(f"{c!r} ({widths[c][0]} columns)" for c in even)
        fixes = " or ".join(f"data.separator={word(c)}" for c in even)
        raise InputError(f"{path} can be split at {ways}.\nFix: {fixes}")
    if even:
        return prefer if prefer in even else max(even, key=lambda c: widths[c][0])
    _refuse_title(path, sample, widths)

    def evenness(c: str) -> tuple[float, int]:
        found = parted[c][0]
        header = found[0] if found else sample.lstrip("\r\n").partition("\n")[0].count(c) + 1
        return (found.count(header) / max(len(found), 1) if header > 1 else -1.0), header

    return max(candidates, key=evenness)


def _parted(sample: str, separator: str) -> tuple[list[int], bool]:
    """The number of cells of the first records, and whether their quotes fit the separator."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator, strict=True,
                        skipinitialspace=True)  # fmt: skip
    found = []
    try:
        for record in islice(filter(None, reader), SAMPLE):
            found.append(len(record))
    except csv.Error as error:
        # The sample may end inside a quoted cell. Otherwise the quotes do not fit this separator.
        return found, bool(found) and "end of data" in str(error)
    return found, bool(found)


def _refuse_title(path: Path, sample: str, widths: dict[str, list[int]]) -> None:
    """Raises InputError where a comment or a title stands above the header."""
    for found in widths.values():
        below = set(found[1:])
        if found and found[0] == 1 and len(below) == 1 and max(below) > 1 and len(found) > 2:
            title = next(line for line in sample.splitlines() if line)
            raise InputError(
                f"{path}: its first line is {title[:60]!r}, one cell, and each line below it has "
                f"{max(below)}.\nFix: the file without that line: the first one holds the names "
                "of the columns"
            )
