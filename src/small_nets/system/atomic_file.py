"""A file that is there whole or not at all, after a kill, a full disk or a power cut."""

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
SUFFIX = ".tmp"  # of a file that is being written: NAME.8 hexadecimal digits.tmp
LONGEST = 200  # bytes of a name, of 255 that systems allow: what is put behind it needs room too
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_whole(path: Path, content: Content, sync: bool = True, mode: int = 0o666) -> None:
    """Write a file under a temporary name beside it, then give it its name; an old one goes.

    content: bytes, a text (UTF-8), or a function that fills the file whose path it is given.
    sync: whether it has to survive a power cut: then its content is on the disk before it gets
    its name, and the name before this returns. Not for what can be made again, such as the many
    run directories of a sweep: each call takes milliseconds. mode: less what the umask takes; not
    of a file that a function fills. Raises OSError.
    """
    with _written(path, content, sync, mode) as temporary:
        temporary.replace(path)
    if sync:
        sync_directory(path.parent)


def create_whole(path: Path, content: Content, mode: int = 0o666) -> None:
    """The same, synced, for a name that must not be taken. Raises FileExistsError, OSError.

    Nothing that is there is overwritten, also where it came while this was being written.
    """
    with _written(path, content, True, mode) as temporary:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # A file system without links: the name is taken first, and then given to the file.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Names that were given, or taken away, in a directory are on the disk. Raises OSError."""
    number = os.open(directory, os.O_RDONLY)
    try:
        with suppress(PermissionError):  # some network folders cannot; none says so otherwise
            os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # likewise
            raise
    finally:
        os.close(number)


@contextmanager
def _written(path: Path, content: Content, sync: bool, mode: int) -> Iterator[Path]:
    """The content in a temporary file, which is removed where it still has that name."""
    # Its own: the same file may be written twice at a time, by a node that was taken for lost.
    stem = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    # Absolute, for polars takes a first ~ for somebody's home.
    temporary = path.absolute().with_name(f"{stem}.{uuid4().hex[:8]}{SUFFIX}")
    with at_end(partial(temporary.unlink, missing_ok=True)):
        try:
            if callable(content):
                content(temporary)
            else:
                # Not by tempfile, whose files nobody else may ever read.
                with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
                    file.write(content.encode() if isinstance(content, str) else content)
            if sync:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            if error.filename in (None, str(temporary), temporary):
                error.filename = str(path)  # the name that a reader knows
            raise
        finally:
            temporary.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """The path, or the first of its name with a number that is not there yet."""
    tried, count = path, 1
    while tried.exists() or tried.is_symlink():
        count += 1
        tried = path.with_name(f"{path.stem}_{count}{path.suffix}")
    return tried
