"""study.log, Optuna's journal, in which each line vouches for itself and for all before it.

Optuna ignores a name that it does not know, so the file stays a journal that its own tools read.
It is opened to go on with by the one process that may, or to be looked at.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.storages.journal._file import get_lock_file

from small_nets.config.errors import InputError
from small_nets.sweep.store.manifest import CORRUPT
from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import digest_of, read_json

_TAIL = re.compile(rb',"chain":"([0-9a-f]{32})"\}\n')
TAIL = len(b',"chain":""}\n') + 32
BEGIN = "0" * 32
# What Optuna raises for an entry that it would not have written.
NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)


def open_storage(path: Path) -> tuple[JournalStorage, str | None]:
    """The journal, and what was wrong with it: what is not as it was written is taken away.

    Only for the one process that holds the sweep's directory. Raises InputError.
    """
    said = None
    if path.exists():
        content = path.read_bytes()
        entries, size, _ = _whole_lines(content)
        rest = content[size:]
        if b"\n" in rest and not any(map(_tail, content.splitlines(keepends=True))):
            raise InputError(f"{path} cannot be read: it is no journal of this program.\n"
                             "Fix: another sweep.dir")  # fmt: skip
        if b"\n" in rest:  # else a last line that was not written whole
            aside = path.parent / CORRUPT
            aside.mkdir(exist_ok=True)
            write_whole(aside / f"{path.stem}_{uuid4().hex[:8]}{path.suffix}", content)
            said = (f"line {len(entries) + 1} of {path} was changed after it was written: the file "
                    f"is kept in {aside}, and the search goes on from the line before")  # fmt: skip
        if rest:
            write_whole(path, content[:size])
    # Of a process that was killed while it wrote: Optuna would wait for it half a minute.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    return _storage(path, lambda: Journal(path)), said


def look_at(path: Path) -> tuple[optuna.Study | None, str | None]:
    """A study, to look at, and what is wrong with its file.

    None where there is none. Of a file that was changed, what stands before that. Raises
    InputError where its entries are none of ours.
    """
    if not path.exists():
        return None, None
    content = path.read_bytes()
    entries, size, _ = _whole_lines(content)
    said = None
    if b"\n" in content[size:]:
        said = f"{path} was changed after it was written, from line {len(entries) + 1} on"
    return study_in(_storage(path, lambda: Entries(entries))), said


def study_in(storage: JournalStorage) -> optuna.Study | None:
    """The one study of a storage, where it has one yet."""
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage) if names else None


def _storage(path: Path, backend: Callable[[], BaseJournalBackend]) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study it opens
    try:
        return JournalStorage(backend())
    except NOT_OURS as error:
        raise InputError(f"{path} holds an entry that no search of ours writes ({error!r}).\n"
                         "Fix: another sweep.dir") from error  # fmt: skip


def _whole_lines(content: bytes) -> tuple[list[dict[str, Any]], int, str]:
    """The entries up to the first line that is not as it was written.

    Also how many bytes they take, and the digest that the next one continues.
    """
    entries: list[dict[str, Any]] = []
    size, chain = 0, BEGIN
    for line in content.splitlines(keepends=True):
        text, tail = line[:-TAIL] + b"}", _tail(line)
        if tail is None or _link(chain, text) != tail:
            break
        try:
            entries.append(read_json(text))
        except ValueError:
            break
        size, chain = size + len(line), tail
    return entries, size, chain


def _tail(line: bytes) -> str | None:
    """The digest at the end of a line, which is none of ours without one."""
    found = _TAIL.fullmatch(line[-TAIL:])
    return None if found is None else found[1].decode()


def _link(chain: str, text: bytes) -> str:
    return digest_of(chain.encode() + text)


class Journal(JournalFileBackend):
    """Appends entries to the chain. For the one process that holds the sweep's directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._chain = _whole_lines(path.read_bytes())[2]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Written at once, and synced."""
        lines = []
        for log in logs:
            text = json.dumps(log, separators=(",", ":")).encode()
            self._chain = _link(self._chain, text)
            lines.append(text[:-1] + b',"chain":"' + self._chain.encode() + b'"}\n')
        with get_lock_file(self._lock), self._path.open("ab") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())


class Entries(BaseJournalBackend):
    """Entries to look at: nothing is locked, and nothing written."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self._entries = list(entries)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Those from a number on."""
        return iter(self._entries[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Raises TypeError."""
        raise TypeError("this study is only looked at")
