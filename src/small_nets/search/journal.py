"""study.log: Optuna's journal, with a digest in each line of this line and all before it.

Optuna ignores names that it does not know, so its own tools can read the file. One process may
open it to write, any process to read.
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
# What Optuna raises for an entry that it does not understand.
NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)


def open_storage(path: Path) -> tuple[JournalStorage, str | None]:
    """Open the journal to write, and remove damaged lines. Returns what was wrong, or None.

    Only the process that has locked the sweep's directory may call this. Raises InputError for a
    file that is not a journal of this program.
    """
    said = None
    if path.exists():
        content = path.read_bytes()
        entries, size, _ = _whole_lines(content)
        rest = content[size:]
        if b"\n" in rest and not any(map(_tail, content.splitlines(keepends=True))):
            raise InputError(f"{path} cannot be read: it is not a journal of this program.\n"
                             "Fix: another sweep.dir")  # fmt: skip
        if b"\n" in rest:  # otherwise only the last line is incomplete
            aside = path.parent / CORRUPT
            aside.mkdir(exist_ok=True)
            write_whole(aside / f"{path.stem}_{uuid4().hex[:8]}{path.suffix}", content)
            said = (f"line {len(entries) + 1} of {path} was changed after it was written: the file "
                    f"is kept in {aside}, and the search goes on from the line before")  # fmt: skip
        if rest:
            write_whole(path, content[:size])
    # A process that was killed while writing left a lock, for which Optuna would wait 30 s.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    return _storage(path, lambda: Journal(path)), said


def look_at(path: Path) -> tuple[optuna.Study | None, str | None]:
    """Read a study, and what is wrong with its file or None. The study is None without a file.

    Of a changed file, only what stands before the change is read. Raises InputError for entries
    that this program does not write.
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
    """The study of a storage; None where it has none yet."""
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage) if names else None


def _storage(path: Path, backend: Callable[[], BaseJournalBackend]) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # otherwise it logs every study it opens
    try:
        return JournalStorage(backend())
    except NOT_OURS as error:
        raise InputError(f"{path} holds an entry that no search of ours writes ({error!r}).\n"
                         "Fix: another sweep.dir") from error  # fmt: skip


def _whole_lines(content: bytes) -> tuple[list[dict[str, Any]], int, str]:
    """The entries up to the first damaged line, their bytes, and the last digest."""
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
    """The digest at the end of a line; None for a line without one."""
    found = _TAIL.fullmatch(line[-TAIL:])
    return None if found is None else found[1].decode()


def _link(chain: str, text: bytes) -> str:
    return digest_of(chain.encode() + text)


class Journal(JournalFileBackend):
    """Appends entries. Only the process that has locked the sweep's directory may use it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._chain = _whole_lines(path.read_bytes())[2]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries at once, and sync them to the disk."""
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
    """Entries that are only read. Nothing is locked."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self._entries = list(entries)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """The entries from a number on."""
        return iter(self._entries[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Raises TypeError, because this storage is only read."""
        raise TypeError("this study is read-only")
