"""One process at a time in the directory of a run or a sweep."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from small_nets.config.errors import InputError
from small_nets.system.atomic_file import write_whole
from small_nets.system.signals import at_end

LOCK, HOLDER = ".lock", ".holder"


@contextmanager
def locked(directory: Path, key: str = "sweep.dir=", is_kept: bool = True) -> Iterator[None]:
    """Hold the directory, which is made; a dead process's lock is free. Raises InputError.

    key: what stands before the directory in the message. is_kept: whether its file stays: whoever
    waits for a sweep may hold it already, while a run is never begun where one has ended.
    What was made goes again where nothing else has been written: a refused command leaves nothing.
    """
    directory = directory.absolute()  # wherever this process stands at the end
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / LOCK).touch()  # with the mode that the umask says; filelock has one of its own
    lock = FileLock(directory / LOCK, timeout=0)
    holder = directory / HOLDER
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{key}{directory} is in use: {_who(holder)} is working on it.\n"
            "Fix: wait until it has ended, or another directory"
        ) from None

    def leave() -> None:
        holder.unlink(missing_ok=True)
        _leave(directory, made, is_kept)
        lock.release()

    with at_end(leave):
        try:
            write_whole(holder, f"process {os.getpid()} on {os.uname().nodename}", sync=False)
            yield
        finally:
            leave()


def _who(holder: Path) -> str:
    with suppress(OSError):
        return holder.read_text() or "another process"
    return "another process"


def _leave(directory: Path, made: Sequence[Path], is_kept: bool) -> None:
    """Remove the lock, while it is held, and these folders, where there is nothing else."""
    with suppress(OSError):  # it is gone, or others have written beside it
        if not is_kept or [path.name for path in directory.iterdir()] == [LOCK]:
            (directory / LOCK).unlink()
            for folder in made:
                folder.rmdir()
