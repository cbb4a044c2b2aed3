"""One process at a time in a sweep's directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import InputError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made; a dead process's lock is free. Raises InputError."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / ".lock", timeout=0)
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
        lock.release()
