"""What the path of a run's or a sweep's directory is, without reading what lies in it."""

import re
from pathlib import Path

# What says that a directory holds a sweep, and its copy.
SWEEP, SWEEP_COPY = "sweep.json", ".sweep.json"
STUDY = "study.log"  # beside them, of a search: its trials
# A job's number as we write it: 007 and ² are names of something else.
NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def is_sweep(directory: Path) -> bool:
    """Whether a sweep is stored there; the copy is enough to read it."""
    return any((directory / name).is_file() for name in (SWEEP, SWEEP_COPY))


def is_number(name: str) -> bool:
    """Whether it is the name of a job's directory."""
    return NUMBER.fullmatch(name) is not None


def is_job(directory: Path) -> bool:
    """Whether it is SWEEP/JOB; a job of a large sweep needs no directory."""
    return is_number(directory.name) and is_sweep(directory.parent)


def what_is(path: Path, wanted: str) -> str:
    """What is wrong with a path that should be the directory of `wanted`."""
    if path.is_dir():
        return f"is not the directory of {wanted}"
    return "is a file, not a directory" if path.exists() else "does not exist"
