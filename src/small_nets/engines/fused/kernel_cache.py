"""Keeps compiled kernels on disk. They are executed only if this user alone can have written them.

They lie below the user's cache folder, in folders that only this user can write. Each file begins
with a signature of its name and content, made with the user's secret. Without such a folder or
secret, kernels last as long as the process.
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

DIGEST = 32  # bytes of the signature
_TEMPORARY = os.urandom(DIGEST)  # a secret for the kernels of this process


def folder() -> Path:
    """The folder in which kernels are kept."""
    return _place(base_folder("XDG_CACHE_HOME", ".cache"))[0]


@cache
def _place(base: Path | None) -> tuple[Path, bool]:
    """The folder, and whether it lasts. If it does not, that is printed, once."""
    why = "there is no home folder" if base is None else why_not_own(base, PROGRAM, "kernels")
    if why is None and user_secret() is None:
        why = "no secret can be kept for them below ~/.config"
    if base is not None and why is None:
        return base / PROGRAM / "kernels", True
    if parent_process() is None:  # otherwise each worker would print it, too
        print(f"kernels are not kept on disk, and compiled anew: {why}", file=sys.stderr)
    return _private(), False


@cache
def _private() -> Path:
    gone = tempfile.TemporaryDirectory(prefix=f"{PROGRAM}-")
    _until_the_end.append(gone)
    return Path(gone.name)


_until_the_end: list["tempfile.TemporaryDirectory[str]"] = []  # removed when the process ends


def _secret() -> bytes:
    lasts = _place(base_folder("XDG_CACHE_HOME", ".cache"))[1]
    return (user_secret() if lasts else None) or _TEMPORARY


def stored(place: Path, key: str) -> bytes | None:
    """A kernel from the disk; None where there is none with a right signature.

    LLVM would abort the process on a damaged file.
    """
    found = read_own(place / f"{key}.o")
    if found is None:
        return None
    digest, content = found[:DIGEST], found[DIGEST:]
    return content if hmac.compare_digest(digest, vouch(_secret(), key.encode(), content)) else None


def store(place: Path, key: str, content: bytes) -> None:
    """Keep a kernel on disk. If the disk refuses, it is compiled again next time."""
    with suppress(OSError):
        vouched = vouch(_secret(), key.encode(), content) + content
        write_whole(place / f"{key}.o", vouched, sync=False, mode=OWN)
