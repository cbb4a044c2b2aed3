"""The files of a store: whole or not there.

A part is up to five files of one name, a kind each, of which the one below runs/ is written last:
a part without it does not exist. Each file is written to a temporary name and renamed.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError
from safetensors import SafetensorError, safe_open

KINDS = {
    "runs": "parquet", "curves": "parquet", "configs": "parquet", "weights": "safetensors",
    "paused": "safetensors",  # of a rung alone
}  # fmt: skip
EVERYWHERE = ("runs", "curves", "configs", "weights")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file, then give it its name. Raises OSError."""
    # Its own: the same part may be written twice at a time, by a node that was taken for lost.
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except PolarsError as error:  # its way to say that the system refused
        raise OSError(errno.EIO, str(error).splitlines()[0], str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def part_file(directory: Path, kind: str, part: str) -> Path:
    """The file of a part."""
    return directory / kind / f"{part}.{KINDS[kind]}"


def part_names(directory: Path) -> list[str]:
    """The parts there are, in order."""
    return sorted(path.stem for path in (directory / "runs").glob("*.parquet"))


def clean(directory: Path) -> None:
    """Remove what a killed process left: temporary files, parts without their last file.

    Makes the folders that every store has.
    """
    parts = set(part_names(directory))
    for kind, suffix in KINDS.items():
        folder = directory / kind
        if kind in EVERYWHERE:
            folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*"):
            if path.suffix == ".tmp" or (path.suffix == f".{suffix}" and path.stem not in parts):
                path.unlink()


def corrupt_file(directory: Path, part: str) -> Path | None:
    """The first file of a part that cannot be read; None for a whole part."""
    files = {kind: part_file(directory, kind, part) for kind in KINDS}
    return next((path for kind, path in files.items() if not _is_whole(kind, path)), None)


def move_aside(directory: Path, part: str) -> None:
    """Move a part's files to corrupt/."""
    aside = directory / "corrupt"
    aside.mkdir(exist_ok=True)
    for kind in KINDS:  # runs/ first: without it the part is gone
        path = part_file(directory, kind, part)
        if path.exists():
            path.replace(aside / f"{kind}_{path.name}")


def _is_whole(kind: str, path: Path) -> bool:
    try:
        if not path.exists():
            if kind == "paused":
                return True
            # Of runs that failed there are neither curves nor weights.
            runs = pl.read_parquet(path.parent.parent / "runs" / f"{path.stem}.parquet")
            return kind in ("curves", "weights") and bool((runs["status"] == "failed").all())
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt"):
                return True
        pl.read_parquet(path)
    except (PolarsError, SafetensorError, OSError):
        return False
    return True
