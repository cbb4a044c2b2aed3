"""What the path of a run's or a sweep's directory is, without reading what lies in it."""

from pathlib import Path


def is_job(directory: Path) -> bool:
    """Whether it is SWEEP/JOB; a job of a large sweep needs no directory."""
    return directory.name.isdigit() and (directory.parent / "sweep.json").is_file()


def what_is(path: Path, wanted: str) -> str:
    """What is wrong with a path that should be the directory of `wanted`."""
    if path.is_dir():
        return f"is not the directory of {wanted}"
    return "is a file, not a directory" if path.exists() else "does not exist"
