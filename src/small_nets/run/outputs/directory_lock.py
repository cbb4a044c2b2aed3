"""Locks the directory of a run or a sweep, so that one process at a time works in it."""

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
    """Make the directory, and lock it within the block. Raises InputError where it is in use.

    The lock of a dead process does not count. key: stands before the directory in the message.
    is_kept: whether the lock's file stays afterwards. It stays for a sweep, where another process
    may wait for it, but not for a run. If nothing was written, new folders are removed again, so
    that a refused command leaves nothing.
    """
    directory = directory.absolute()  # this process may change its folder meanwhile
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / LOCK).touch()  # with the mode of the umask, which filelock would ignore
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
    """Remove the lock's file, while it is held, and these folders where they are empty."""
    with suppress(OSError):  # the file is gone, or another process wrote into the folder
        if not is_kept or [path.name for path in directory.iterdir()] == [LOCK]:
            (directory / LOCK).unlink()
            for folder in made:
                folder.rmdir()
