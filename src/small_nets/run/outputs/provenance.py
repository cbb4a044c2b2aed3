"""Distinguishes files of this program from those of the user, which are never overwritten.

Most formats have room for a mark: the first field of JSON, the metadata of safetensors and PNG, or
a comment. For a table (CSV, Parquet) the directory keeps a record instead.
"""

from collections.abc import Iterable
from pathlib import Path

from small_nets.config.errors import InputError
from small_nets.system.atomic_file import Content, write_whole
from small_nets.system.sealed_json import digest_of, seal, unseal

MARK = "small-nets"
RECORD = ".exports.json"
_MARKS = (MARK.encode(), b'{"digest": "', b'"digest":"')
_LOOK = 4096  # bytes at either end of a file in which a mark is looked for


def is_ours(path: Path) -> bool:
    """Whether a file carries a mark of this program. A link never counts as ours."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        found = file.read(_LOOK)
        size = file.seek(0, 2)
        file.seek(max(size - _LOOK, 0))
        found += file.read()
    return any(mark in found for mark in _MARKS)


def refuse_foreign(paths: Iterable[Path]) -> None:
    """Raises InputError for the first of these files that exists and is not ours."""
    for path in paths:
        if (path.exists() or path.is_symlink()) and not is_ours(path):
            raise in_the_way(path)


def in_the_way(path: Path) -> InputError:
    """The error for a file of the user where this program would write one."""
    what = "is a link" if path.is_symlink() else "was not written by this program"
    return InputError(f"{path} is in the way: it {what}, and is not overwritten.\n"
                      "Fix: give it another name, and the same command")  # fmt: skip


def write_recorded(path: Path, content: Content) -> None:
    """Write a file that has no room for a mark, and record its digest.

    It replaces a file that was written like this. Raises InputError for any other file in its
    place, OSError.
    """
    record = path.with_name(RECORD)
    try:
        known = unseal(record.read_bytes())
    except (OSError, ValueError):
        known = {}
    if path.is_symlink() or path.exists():
        is_known = path.is_file() and not path.is_symlink()
        if not is_known or known.get(path.name) != digest_of(path.read_bytes()):
            raise in_the_way(path)
    write_whole(path, content, sync=False)
    write_whole(record, seal(known | {path.name: digest_of(path.read_bytes())}), sync=False)
