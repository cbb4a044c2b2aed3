"""sweep.json: what a sweep is, beside its tables."""

import json
from pathlib import Path
from typing import Any

from src.errors import InputError
from src.sweep.files import write_whole

VERSION = 1
FILE = "sweep.json"


def new_about() -> dict[str, Any]:
    """Of a sweep that nothing is known of yet.

    experiments: their names. swept: key -> the types of its values. jobs: run_id -> number.
    Later also command, date, versions, git, fixed (key -> override), and trained: the runs and
    seconds of each command.
    """
    return {"version": VERSION, "experiments": [], "swept": {}, "jobs": {}}


def read_about(directory: Path) -> dict[str, Any]:
    """Raises InputError where it cannot be read, or is of another version."""
    path = directory / FILE
    try:
        about = json.loads(path.read_text())
        version = about["version"]
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}.\nFix: another sweep.dir") from error
    if version != VERSION:
        raise InputError(
            f"{directory} was written in format {version}, and this program reads "
            f"format {VERSION}.\nFix: another sweep.dir, or the program's version of then"
        )
    return about


def write_about(directory: Path, about: dict[str, Any]) -> None:
    """Written whole. Raises OSError."""
    write_whole(directory / FILE, lambda path: path.write_text(json.dumps(about)))
