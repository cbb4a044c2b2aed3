"""The file of a table: is it one, what are its columns, what does its content hash to.

polars is imported where it is needed: a typo in a config is answered without it.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import InputError, unknown

if TYPE_CHECKING:
    import polars as pl

CSV, PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
SEPARATORS = ",;\t"
Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class TableFile:
    """A table on disk, of which only the header was read.

    columns: their names, in order. separator: of a CSV file's cells, "" for Parquet.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str

    @property
    def is_csv(self) -> bool:
        return bool(self.separator)

    def row(self, number: int) -> str:
        """Where a reader finds row `number` (from 0) of a Parquet file."""
        return f"{self.path}, row {number + 1}"

    def position(self, name: str) -> int:
        """The place of a column. Raises InputError where there is none, with the nearest name."""
        if name in self.columns:
            return self.columns.index(name)
        for column in self.columns:
            if column.strip() == name.strip():
                raise InputError(
                    f"{self.path} has no column {name!r}, but {column!r}: its header has spaces "
                    "around the name.\nFix: the header without them"
                )
        raise unknown(f"{self.path} has no column {name!r}.", name, self.columns, "Its columns are")

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The rows of a CSV file as they stand, each with the line that it starts in.

        The header is the first. Raises InputError where the file is no text.
        """
        # utf-8-sig: spreadsheets put a byte order mark in front, which is no part of a name.
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.separator)
            line = 1
            try:
                for record in reader:
                    yield line, record
                    line = reader.line_num + 1
            except UnicodeDecodeError as error:
                raise _no_table(
                    self.path, f"its text is not in UTF-8 (near line {line})"
                ) from error
            except csv.Error as error:
                raise _no_table(self.path, f"line {line}: {error}") from error

    def scan(self, types: "dict[str, type[pl.DataType]] | None" = None) -> "pl.LazyFrame":
        """The columns by polars. types: of a CSV file's columns; None for all as text."""
        import polars as pl

        if not self.is_csv:
            return pl.scan_parquet(self.path)
        return pl.scan_csv(
            self.path, separator=self.separator, infer_schema=False, schema_overrides=types or {}
        )  # fmt: skip


def _no_table(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is not a table: {reason}.\nAllowed: a CSV or a Parquet file")


def stamp(path: Path) -> Stamp:
    """What tells a file's content from an earlier one without reading it: name, time, size.

    Raises InputError where there is no such file.
    """
    try:
        about = path.stat()
    except OSError as error:
        here = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
        raise InputError(f"{path}: {error.strerror}{here}.\nFix: the path of a CSV or Parquet "
                         "file") from error  # fmt: skip
    if path.is_dir():
        raise _no_table(path, "it is a directory")
    return str(path), about.st_mtime_ns, about.st_size


def digest(path: Path) -> str:
    """A hash of the file's bytes, as 32 hexadecimal digits. Raises InputError."""
    return _digest(stamp(path))


@lru_cache(maxsize=64)
def _digest(at: Stamp) -> str:
    # blake2b: half of the time that SHA-256 takes where the processor has no instruction for it.
    with Path(at[0]).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def open_table(path: Path) -> TableFile:
    """Look at a file's header. Raises InputError, with what is wrong with it."""
    return _open(stamp(path))


@lru_cache(maxsize=64)
def _open(at: Stamp) -> TableFile:
    path = Path(at[0])
    suffix = path.suffix.lower()
    if suffix not in (*CSV, *PARQUET):
        raise _no_table(path, f"its name does not end in one of {', '.join((*CSV, *PARQUET))}")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if not start:
        raise InputError(f"{path} is empty.\nFix: a line of column names, and rows")
    found = _parquet(path) if suffix in PARQUET else _csv(path, start)
    _refuse_duplicates(path, found.columns)
    return found


def _parquet(path: Path) -> TableFile:
    import polars as pl

    try:
        return TableFile(path, tuple(pl.read_parquet_schema(path)), "")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _no_table(path, "it is named so, but is no Parquet file") from error


def _csv(path: Path, start: bytes) -> TableFile:
    if start.startswith(b"PAR1"):
        raise InputError(f"{path} is a Parquet file by its content.\nFix: its name ending in "
                         ".parquet")  # fmt: skip
    if b"\0" in start:
        raise _no_table(path, "it holds bytes that are no text")
    header = start.decode("utf-8-sig", errors="replace").lstrip("\r\n").partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)  # a comma where there is none of them
    records = TableFile(path, (), separator).records()
    names = next((record for _, record in records if record), None)
    if names is None:
        raise InputError(f"{path} is empty.\nFix: a line of column names, and rows")
    return TableFile(path, tuple(names), separator)


def _refuse_duplicates(path: Path, columns: Sequence[str]) -> None:
    for name in columns:
        places = [str(i) for i, other in enumerate(columns, start=1) if other == name]
        if name and len(places) > 1:  # spreadsheets leave several columns without any name
            raise InputError(
                f"{path} has the column {name!r} more than once: columns {', '.join(places)}.\n"
                "Fix: names that differ"
            )
