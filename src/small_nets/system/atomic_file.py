"""Atomic writes: after a kill, a full disk or a power cut, a file is complete or absent."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from small_nets.system.signals import at_end

Content = bytes | str | Callable[[Path], Any]
SUFFIX = ".tmp"  # ends the name of a file that is being written: NAME.8 hexadecimal digits.tmp
LONGEST = 200  # bytes of the name kept: systems allow 255, and digits and SUFFIX follow
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_whole(path: Path, content: Content, sync: bool = True, mode: int = 0o666) -> None:
    """Write a file under a temporary name beside it, then rename it. An old file is replaced.

    content: bytes, a text (written as UTF-8), or a function that is given a path and writes the
    file there. sync: whether the file has to survive a power cut. Its content is then on the disk
    before it is renamed, and its name is on the disk before this function returns. That takes
    milliseconds a call, so leave it out for what can be made again, such as the many run
    directories of a sweep. mode: the permissions, before the umask; a function that writes the
    file sets its own. Raises OSError.
    """
    with _written(path, content, sync, mode) as temporary:
        temporary.replace(path)
    if sync:
        sync_directory(path.parent)


def create_whole(path: Path, content: Content, mode: int = 0o666) -> None:
    """Write a new file as `write_whole` does, with sync. Raises FileExistsError, OSError.

    A file of this name is never overwritten, even one that appears during the write.
    """
    with _written(path, content, True, mode) as temporary:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # A file system without links: create an empty file, which reserves the name.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Write new, changed and removed names in a directory to the disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(PermissionError):  # some network folders refuse to sync a directory
            os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # others say by EINVAL that they cannot
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _written(path: Path, content: Content, sync: bool, mode: int) -> Iterator[Path]:
    """Write the content to a temporary file; remove that file at the end, unless it was renamed."""
    # Random digits in the name: two nodes may write the same file at once, where one of them was
    # taken for lost.
    stem = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    # The path is absolute because polars reads ~ at the start of a path as a home directory.
    temporary = path.absolute().with_name(f"{stem}.{uuid4().hex[:8]}{SUFFIX}")
    with at_end(partial(temporary.unlink, missing_ok=True)):
        try:
            if callable(content):
                content(temporary)
            else:
                # tempfile is not used: only its owner may read a file that it makes.
                with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
                    file.write(content.encode() if isinstance(content, str) else content)
            if sync:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            if error.filename in (None, str(temporary), temporary):
                error.filename = str(path)  # the name that the user knows
            raise
        finally:
            temporary.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """The path if it is free, else the first free one of NAME_2, NAME_3, and so on."""
    tried, count = path, 1
    while tried.exists() or tried.is_symlink():
        count += 1
        tried = path.with_name(f"{path.stem}_{count}{path.suffix}")
    return tried
