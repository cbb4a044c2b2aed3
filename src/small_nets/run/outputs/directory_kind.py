"""Tells whether a path is the directory of a run, a sweep or a job, without reading its files."""

import re
from pathlib import Path

# The file that marks a directory as a sweep's, and its copy.
SWEEP, SWEEP_COPY = "sweep.json", ".sweep.json"
STUDY = "study.log"  # the trials of a search, beside them
# The number of a job as this program writes it: not 007, and not ².
NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def is_sweep(directory: Path) -> bool:
    """Whether a directory holds a sweep. The copy of its file is enough to read it."""
    return any((directory / name).is_file() for name in (SWEEP, SWEEP_COPY))


def is_number(name: str) -> bool:
    """Whether a name can be that of a job's directory."""
    return NUMBER.fullmatch(name) is not None


def is_job(directory: Path) -> bool:
    """Whether a path is SWEEP/JOB. It need not exist: jobs of large sweeps have no directory."""
    return is_number(directory.name) and is_sweep(directory.parent)


def what_is(path: Path, wanted: str) -> str:
    """What is wrong with a path that should be the directory of `wanted`: a run or a sweep."""
    if path.is_dir():
        return f"is not the directory of {wanted}"
    return "is a file, not a directory" if path.exists() else "does not exist"
