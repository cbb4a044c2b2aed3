"""Reads the cells of a table. The rows do not depend on which columns are asked for."""

import io
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from small_nets.config.errors import InputError
from small_nets.data.csv_encoding import decode
from small_nets.data.csv_records import records
from small_nets.data.table_file import TableFile


@dataclass(frozen=True)
class Cells:
    """Columns of a table.

    frame: the columns in the order asked for, named "0", "1", …; texts ("" if empty) for a CSV
    file, typed for Parquet. lines: the line in which each row of a CSV file starts.
    """

    file: TableFile
    frame: pl.DataFrame
    lines: Sequence[int] | None

    def __len__(self) -> int:
        return self.frame.height

    def at(self, row: int) -> str:
        """The name of row `row`, from 0: its line in a CSV file, its number in Parquet."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    @property
    def counted(self) -> str:
        """A line that says how rows are counted; "" where lines are named instead."""
        return "" if self.file.is_csv else "\nRow 1 is the first row of data"

    @property
    def may_hold_commas(self) -> bool:
        """Whether a cell may contain a comma: not if commas separate cells without quotes."""
        return self.file.separator != "," or not isinstance(self.lines, range)


@dataclass(frozen=True)
class Column:
    """One column, with the rows in use.

    values: without blanks around them where they come from CSV. rows: the places of the rows in
    the file, (rows,).
    """

    name: str
    values: pl.Series
    cells: Cells
    rows: NDArray[np.int64]

    @property
    def is_csv(self) -> bool:
        """Whether the column comes from a CSV file."""
        return self.cells.file.is_csv

    def at(self, row: int) -> str:
        """The name of a row in use, from 0: see `Cells.at`."""
        return self.cells.at(int(self.rows[row]))

    def error(self, row: int, what: str, fix: str) -> InputError:
        """The error for a cell. `what` begins with a verb."""
        where = f"{self.cells.file.path}, {self.at(row)}, column {self.name!r}"
        return InputError(f"{where} {what}.\nFix: {fix}{self.cells.counted}")

    def whole_error(self, what: str, fix: str, role: str = "column") -> InputError:
        """The error for the whole column. `what` begins with a verb. role: column or target."""
        return InputError(f"{self.cells.file.path}: the {role} {self.name!r} {what}.\nFix: {fix}")


def read_cells(file: TableFile, places: Sequence[int]) -> Cells:
    """Read the columns at these places. Raises InputError where the file is not a valid table."""
    if not file.is_csv:
        return Cells(file, _parquet(file, places), None)
    content = file.read()
    text = decode(file.path, content)
    return _regular(file, content, places) or _strict(file, text, places)


def _regular(file: TableFile, content: bytes, places: Sequence[int]) -> Cells | None:
    """Read a CSV file by polars if there is only one way to read it; otherwise None.

    Such a file has no quotes below the header, no blank lines, and as many separators in each line
    as in the header.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    start = len(content) - len(content.lstrip(b"\r\n"))
    line = content.count(b"\n", 0, start) + 2  # of the first row
    end = content.find(b"\n", start) + 1
    body = content[end:].rstrip(b"\r\n") if end else b""
    header = content[start:end] if end else content[start:]
    if b'"' in body or content.count(b"\r") != content.count(b"\r\n"):
        return None
    if b'"' in header and not _is_header(file, header.decode()):
        return None
    separator, between = file.separator.encode(), len(file.columns) - 1
    count = 0
    for row in io.BytesIO(body):
        if row.count(separator) != between or row in (b"\n", b"\r\n"):
            return None
        count += 1
    names = [f"column_{i + 1}" for i in range(between + 1)]
    if count == 0:
        frame = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    else:
        # Columns are named by place: names in the header may be missing.
        frame = pl.read_csv(
            body, has_header=False, separator=file.separator, quote_char=None,
            schema=dict.fromkeys(names, pl.String), columns=sorted(set(places)),
        )  # fmt: skip
    if frame.height != count:
        return None
    frame = frame.select(pl.col(names[i]).fill_null("").alias(str(i)) for i in places)
    return Cells(file, frame, range(line, line + count))


def _is_header(file: TableFile, line: str) -> bool:
    """Whether the line is the whole header: a quoted name may continue in the next line."""
    try:
        return tuple(next(records(file.path, line, file.separator, file.is_spaced))[1][0]) == (
            file.header
        )
    except InputError:
        return False


def _strict(file: TableFile, text: str, places: Sequence[int]) -> Cells:
    """Read a CSV file record by record. Raises InputError for one that does not fit the header."""
    lines, width = array("q"), len(file.columns)
    taken: list[list[pl.Series]] = [[] for _ in places]
    has_header, blank = False, None
    for starts, block in records(file.path, text, file.separator, file.is_spaced):
        rows: list[list[str]] = []
        if has_header and blank is None and set(map(len, block)) == {width}:
            rows = block
            lines.extend(starts)
        for line, record in zip(starts, block, strict=True) if not rows else ():
            if not record:
                blank = line if blank is None and has_header else blank
            elif not has_header:
                has_header = True
            elif blank is not None:  # blank lines are allowed only at the end
                raise InputError(f"{file.path}, line {blank} is empty.\nFix: without that line")
            elif len(record) != width:
                raise _wrong_width(file, line, record)
            else:
                rows.append(record)
                lines.append(line)
        for series, place in zip(taken, places, strict=True):
            series.append(pl.Series([row[place] for row in rows], dtype=pl.String))
    columns = [
        pl.concat([pl.Series(dtype=pl.String), *series]).alias(str(i))
        for i, series in zip(places, taken, strict=True)
    ]
    return Cells(file, pl.DataFrame(columns), lines)


def _wrong_width(file: TableFile, line: int, record: Sequence[str]) -> InputError:
    fix = f"as many; a text with {file.separator!r} in it stands in double quotes"
    if any(cell.startswith(' "') for cell in record):
        fix = "no blank between a separator and a double quote"
    if record[0].startswith("#"):
        fix = "without that line, if it is a comment"
    cells = f"{len(record)} cell{'' if len(record) == 1 else 's'}"
    return InputError(
        f"{file.path}, line {line} has {cells}, and the header has {len(file.columns)} columns.\n"
        f"Fix: {fix}"
    )


def _parquet(file: TableFile, places: Sequence[int]) -> pl.DataFrame:
    names = [file.header[i] for i in places]
    try:
        with file.path.open("rb") as opened:  # polars would read a path as a pattern
            frame = pl.read_parquet(opened, columns=list(dict.fromkeys(names)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or ["it is damaged"])[0]
        raise InputError(f"{file.path} cannot be read: {reason}") from error
    return frame.select(pl.col(name).alias(str(i)) for name, i in zip(names, places, strict=True))


def whole_frame(file: TableFile) -> pl.DataFrame:
    """All rows and columns under the header's names. An empty cell of a CSV file is null."""
    frame = read_cells(file, range(len(file.header))).frame
    if file.is_csv:
        frame = frame.with_columns(pl.all().replace("", None))
    several = file.header.count("") > 1  # a data frame needs different names
    frame.columns = [
        name or (f"column_{i}" if several else "") for i, name in enumerate(file.header, start=1)
    ]
    return frame
