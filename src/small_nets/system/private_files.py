"""Folders and a secret that are this user's alone, for what must not come from anybody else.

Only for what acts: a kernel that is executed, the name of jobs that are cancelled.
"""

import hmac
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from small_nets.system.atomic_file import create_whole

PROGRAM = "small-nets"
SECRET = "secret"  # the file's name
LENGTH = 32  # bytes
OWN = 0o600  # the mode of a file that is for this user alone


def base_folder(variable: str, usual: str) -> Path | None:
    """The user's folder by the XDG rules: the variable's where it is absolute, or ~/`usual`."""
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / usual
    except RuntimeError:  # nobody's
        return None


def why_not_own(base: Path, *names: str) -> str | None:
    """Make folders below a base, for this user alone; why one of them is not, or None.

    The base itself may be a link, or shared: whoever replaces ours there owns what he puts there.
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
                return f"{path} is no folder"
            if about.st_uid != os.geteuid():
                return f"{path} belongs to another user"
            if about.st_mode & 0o022:
                return f"{path} may be written to by others (chmod go-w ends that)"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def read_own(path: Path) -> bytes | None:
    """A file of this user's that no one else may write; None where there is none.

    Not by a link: what is looked at is what is read.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(number, "rb") as file:
        about = os.fstat(number)
        is_ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
        return file.read() if is_ours and not about.st_mode & 0o022 else None


def user_secret() -> bytes | None:
    """32 bytes that only this user can read, made at the first call; None where none can be kept.

    Below $XDG_CONFIG_HOME, or ~/.config: not beside what it vouches for.
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
    """32 bytes that only who knows the secret can make for these parts, in this order."""
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(secret, whole, "sha256")
