"""One process at a time in a sweep's directory."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import InputError

LOCK = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made; a dead process's lock is free. Raises InputError.

    What was made goes again where nothing else has been written: a refused command leaves nothing.
    """
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK, timeout=0)
    holder = directory / ".holder"
    try:
        lock.acquire()
    except Timeout:
        who = holder.read_text() if holder.is_file() else "another process"
        raise InputError(
            f"sweep.dir={directory} is in use: {who} is working on it.\n"
            "Fix: wait until it has ended, or another sweep.dir"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        _leave(directory, made)
        lock.release()


def _leave(directory: Path, made: Sequence[Path]) -> None:
    """Remove the lock, while it is held, and these folders, where there is nothing else."""
    with suppress(OSError):  # it is gone, or others have written beside it
        if [path.name for path in directory.iterdir()] == [LOCK]:
            (directory / LOCK).unlink()
            for folder in made:
                folder.rmdir()
