"""Opens the file of a table: checks its kind, reads its header, computes its digest.

polars is imported only where it is needed, so that a typo in a config is answered quickly.
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from small_nets.config.errors import InputError, unknown
from small_nets.data.csv_encoding import decode, no_table
from small_nets.data.csv_records import records
from small_nets.data.csv_separator import find_separator, word

CSV, PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
ZIPPED = tuple(f"{suffix}.gz" for suffix in CSV)
SAMPLE = 1 << 20  # bytes that are read to find a CSV file's header and separator
Stamp = tuple[str, int, int]  # path, time of change in ns, bytes


@dataclass(frozen=True)
class TableFile:
    """A table on disk, whose header was read.

    at: the file when it was read. columns: the names, without blanks around them unless the blanks
    distinguish them. header: the names as the file has them. separator: of a CSV file's cells; ""
    for Parquet. is_spaced: whether blanks stand between separators and quotes.
    """

    at: Stamp
    columns: tuple[str, ...]
    header: tuple[str, ...]
    separator: str = ""
    is_spaced: bool = False

    @property
    def path(self) -> Path:
        """The file's path."""
        return Path(self.at[0])

    @property
    def is_csv(self) -> bool:
        """Whether the file is text, not Parquet."""
        return bool(self.separator)

    def position(self, name: str) -> int:
        """The place of a column, from 0. Raises InputError, which names the nearest column."""
        if name in self.columns:
            return self.columns.index(name)
        error = unknown(
            f"{self.path} has no column {name!r}.", name, self.columns, "Its columns are"
        )
        hint = ""
        if self.header and self.header[0].lower() == "sep=":
            hint = "\nIts first line is meant for Excel.\nFix: the file without that line"
        elif self.is_csv and 2 * sum(map(_is_number, self.header)) >= len(self.header):
            hint = "\nIts first line holds numbers: a line of column names seems to be missing"
        elif len(self.columns) == 1 and self.is_csv:
            hint = f"\nIts cells are split at {self.separator!r}; data.separator={word(' ')}, for "
            hint += "example, splits them elsewhere"
        raise InputError(f"{error}{hint}")

    def read(self) -> bytes:
        """The whole content, unzipped. Raises InputError."""
        return _content(self.path)


def _content(path: Path, size: int = -1) -> bytes:
    """The first `size` bytes of a file, unzipped; -1 for all. Raises InputError."""
    try:
        if path.name.lower().endswith(ZIPPED):
            with gzip.open(path, "rb") as file:
                return file.read(size)
        with path.open("rb") as file:
            return file.read(size)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise no_table(path, f"it is named like a gzip file, but is damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def stamp(path: Path) -> Stamp:
    """The path, time and size of a file, which show whether it changed without reading it.

    Raises InputError where there is no such file.
    """
    try:
        about = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        here = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {reason}{here}.\nFix: the path of a CSV or Parquet "
                         "file") from error  # fmt: skip
    if not S_ISREG(about.st_mode):
        is_folder = S_ISDIR(about.st_mode)
        raise no_table(path, "it is a directory" if is_folder else "it is not an ordinary file")
    return str(path), about.st_mtime_ns, about.st_size


def digest(path: Path) -> str:
    """A digest of the file's bytes, 32 hexadecimal digits. Raises InputError."""
    return _digest(stamp(path))


@lru_cache(maxsize=64)
def _digest(at: Stamp) -> str:
    # blake2b takes half the time of SHA-256 on a processor without instructions for that.
    with Path(at[0]).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def open_table(path: Path, separator: str | None = None, prefer: str | None = None) -> TableFile:
    """Read a file's header. Raises InputError for a file that is not a table.

    separator: of a CSV file's cells; None to find it. prefer: which to take where several fit.
    """
    return _open(stamp(path), separator, prefer)


@lru_cache(maxsize=64)
def _open(at: Stamp, separator: str | None, prefer: str | None) -> TableFile:
    path = Path(at[0])
    if not path.name.lower().endswith((*CSV, *ZIPPED, *PARQUET)):
        allowed = ", ".join((*CSV, *ZIPPED, *PARQUET))
        raise no_table(path, f"its name does not end in one of {allowed}")
    if at[2] == 0:
        raise _empty(path)
    if path.name.lower().endswith(PARQUET):
        if separator is not None:
            raise InputError(f"data.separator={word(separator)}, but {path} is a Parquet file.\n"
                             "Fix: data.separator=null")  # fmt: skip
        header = _parquet(path)
        _refuse_duplicates(path, header)
        return TableFile(at, header, header)
    return _csv(at, path, separator, prefer)


def _empty(path: Path) -> InputError:
    return InputError(f"{path} is empty.\nFix: a line of column names, and rows")


def _parquet(path: Path) -> tuple[str, ...]:
    import polars as pl

    try:
        # polars would read a path as a pattern, and find d1.parquet for d[1].parquet.
        with path.open("rb") as file:
            return tuple(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise no_table(path, "it is named like a Parquet file, but is none") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


# The first bytes of a file -> its kind, and the suffix that its name should have.
KINDS = {b"PAR1": ("a Parquet", ".parquet"), b"\x1f\x8b": ("a gzip", ".csv.gz"),
         b"PK\x03\x04": ("a zip or an Excel", "")}  # fmt: skip


def _csv(at: Stamp, path: Path, separator: str | None, prefer: str | None) -> TableFile:
    start = _content(path, SAMPLE)
    for mark, (kind, suffix) in KINDS.items():
        if start.startswith(mark):
            fix = f"its name ending in {suffix}" if suffix else "the table saved as CSV"
            raise InputError(f"{path} is {kind} file by its content.\nFix: {fix}")
    is_whole = len(start) < SAMPLE
    sample = decode(path, start, is_whole)
    found = separator or find_separator(path, sample, prefer)
    names = _header(path, sample, found, is_spaced=False)
    if not names:
        raise _empty(path)
    is_spaced = any(name.startswith(" ") and name.lstrip(" ").startswith('"') for name in names)
    if is_spaced:
        names = _header(path, sample, found, is_spaced=True)
    _refuse_duplicates(path, names)
    stripped = [name.strip() for name in names]
    differ = len(set(filter(None, stripped))) == len([name for name in stripped if name])
    return TableFile(at, tuple(stripped if differ else names), tuple(names), found, is_spaced)


def _header(path: Path, sample: str, separator: str, is_spaced: bool) -> list[str]:
    # Only the first record is read: quotes further down do not matter, and the sample may end
    # inside a cell.
    found = records(path, sample, separator, is_spaced, block=1)
    return next((record for _, (record,) in found if record), [])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_duplicates(path: Path, columns: Sequence[str]) -> None:
    for name in columns:
        places = [str(i) for i, other in enumerate(columns, start=1) if other == name]
        if name and len(places) > 1:  # spreadsheets write several columns without names
            hint = ""
            if all(map(_is_number, filter(None, columns))):
                hint = ", which seem to be missing: its first line holds numbers"
            raise InputError(
                f"{path} has the column {name!r} more than once: columns {', '.join(places)}.\n"
                f"Fix: names that differ{hint}"
            )
