"""Kernels on disk: machine code, executed only where nobody but this user can have written it.

Below the user's cache, in folders that are his alone; each file begins with a digest under his
secret, over its name and its content. Where there is no such folder, or no secret, kernels last as
long as the process.
"""

import hmac
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from multiprocessing import parent_process
from pathlib import Path

from small_nets.system.atomic_file import write_whole
from small_nets.system.private_files import (
    OWN,
    PROGRAM,
    base_folder,
    read_own,
    user_secret,
    vouch,
    why_not_own,
)

DIGEST = 32  # bytes
_TEMPORARY = os.urandom(DIGEST)  # a secret for the kernels of this process


def folder() -> Path:
    """Where kernels are kept."""
    return _place(base_folder("XDG_CACHE_HOME", ".cache"))[0]


@cache
def _place(base: Path | None) -> tuple[Path, bool]:
    """The folder, and whether it lasts. Said once where it does not."""
    why = "there is no home folder" if base is None else why_not_own(base, PROGRAM, "kernels")
    if why is None and user_secret() is None:
        why = "no secret can be kept for them below ~/.config"
    if base is not None and why is None:
        return base / PROGRAM / "kernels", True
    if parent_process() is None:  # workers would say it once more each
        print(f"kernels are not kept on disk, and compiled anew: {why}", file=sys.stderr)
    return _private(), False


@cache
def _private() -> Path:
    gone = tempfile.TemporaryDirectory(prefix=f"{PROGRAM}-")
    _until_the_end.append(gone)
    return Path(gone.name)


_until_the_end: list["tempfile.TemporaryDirectory[str]"] = []  # removed as the process ends


def _secret() -> bytes:
    lasts = _place(base_folder("XDG_CACHE_HOME", ".cache"))[1]
    return (user_secret() if lasts else None) or _TEMPORARY


def stored(place: Path, key: str) -> bytes | None:
    """A kernel that was compiled before, and is what was written: LLVM aborts on half a file."""
    found = read_own(place / f"{key}.o")
    if found is None:
        return None
    digest, content = found[:DIGEST], found[DIGEST:]
    return content if hmac.compare_digest(digest, vouch(_secret(), key.encode(), content)) else None


def store(place: Path, key: str, content: bytes) -> None:
    """Keep a kernel, where the disk takes it: else it is compiled again next time."""
    with suppress(OSError):
        vouched = vouch(_secret(), key.encode(), content) + content
        write_whole(place / f"{key}.o", vouched, sync=False, mode=OWN)
