"""Folders, files and a secret that only this user can write.

They protect what this program acts on: kernels that it executes, and job names that it cancels.
"""

import hmac
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from small_nets.system.atomic_file import create_whole

PROGRAM = "small-nets"
SECRET = "secret"  # the name of the secret's file
LENGTH = 32  # bytes of the secret
OWN = 0o600  # the mode of a file that only this user can read and write


def base_folder(variable: str, usual: str) -> Path | None:
    """The user's folder by the XDG rules; None for a user without a home.

    variable: an environment variable; its path is taken where it is absolute. usual: the folder
    below the home otherwise.
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / usual
    except RuntimeError:  # this user has no home
        return None


def why_not_own(base: Path, *names: str) -> str | None:
    """Make nested folders below a base that only this user can write.

    Returns None, or why one of them is not safe. The base itself may be a link or shared: whoever
    replaces a folder of ours there owns the replacement, and the owner is checked.
    """
    path = base
    try:
        base.mkdir(parents=True, exist_ok=True)
        for name in names:
            path /= name
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode) or not stat.S_ISDIR(about.st_mode):
                return f"{path} is not a folder"
            if about.st_uid != os.geteuid():
                return f"{path} belongs to another user"
            if about.st_mode & 0o022:
                return f"{path} can be written by other users (chmod go-w ends that)"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def read_own(path: Path) -> bytes | None:
    """Read a file that this user owns and nobody else can write; None where there is none.

    Links are not followed, so that the file that is checked is the one that is read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        is_ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
        return file.read() if is_ours and not about.st_mode & 0o022 else None


def user_secret() -> bytes | None:
    """32 random bytes that only this user can read; None where they cannot be stored.

    The first call makes them. They lie below $XDG_CONFIG_HOME or ~/.config, away from the files
    that they sign.
    """
    base = base_folder("XDG_CONFIG_HOME", ".config")
    return None if base is None else _secret(base)


@cache
def _secret(base: Path) -> bytes | None:
    if why_not_own(base, PROGRAM) is not None:
        return None
    path = base / PROGRAM / SECRET
    for _ in range(2):  # another process may make it at the same time
        found = read_own(path)
        if found is not None and len(found) == LENGTH and not path.stat().st_mode & 0o077:
            return found
        try:
            create_whole(path, os.urandom(LENGTH), OWN)
        except OSError:
            if not path.exists():
                return None
    return None


def vouch(secret: bytes, *parts: bytes) -> bytes:
    """A signature of 32 bytes (HMAC-SHA256) of these parts, in this order."""
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(secret, whole, "sha256")
