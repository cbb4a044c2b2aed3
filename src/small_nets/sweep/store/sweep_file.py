"""sweep.json: what a sweep is, beside its tables; and a copy of it, for a bit that falls over."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import SWEEP, SWEEP_COPY
from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import NotSealed, read_json, seal, unseal

VERSION = 3


def new_about() -> dict[str, Any]:
    """Of a sweep that nothing is known of yet.

    token: of this store, which its parts carry; "" before it is begun. experiments: their names.
    swept: the keys. jobs: run_id -> number. Later also command, date, versions, git, fixed (key ->
    override), tables (path -> digest), study (its file, of a search), and trained: the runs and
    seconds of each command.
    """
    return {"version": VERSION, "token": "", "experiments": [], "swept": [], "jobs": {}}


def begun(about: Mapping[str, Any], run_ids: Mapping[str, int]) -> dict[str, Any]:
    """With a token, and a number for each of these runs: run -> its place in the command.

    A run keeps the number that it got first; one whose place is taken gets the next free one.
    """
    jobs: dict[str, int] = dict(about["jobs"])
    taken = set(jobs.values())
    free = max([*taken, *run_ids.values(), -1]) + 1
    for run_id, place in run_ids.items():
        if run_id not in jobs:
            if place in taken:
                place, free = free, free + 1
            jobs[run_id] = place
            taken.add(place)
    return dict(about) | {"token": about["token"] or uuid4().hex, "jobs": jobs}


def read_about(directory: Path) -> tuple[dict[str, Any], str | None]:
    """What was written last, and what is wrong with sweep.json where it came from the copy.

    Raises InputError where neither can be believed, or they are of another version.
    """
    path = directory / SWEEP
    try:
        return _read(path), None
    except (ValueError, OSError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        try:
            found = _read(directory / SWEEP_COPY)
        except (ValueError, OSError):
            raise InputError(f"{path} {why}.\nFix: another sweep.dir") from error
        return found, f"{path} {why}. What it said is taken from {SWEEP_COPY}"


def refuse_other(directory: Path, about: Mapping[str, Any], experiments: Sequence[str]) -> None:
    """Raises InputError where the directory holds a sweep of something else, or a run."""
    is_run = (directory / "result.json").exists()  # whose pictures would be overwritten
    if is_run or directory.is_file():
        what = "the directory of a single run" if is_run else "a file"
        raise InputError(f"sweep.dir={directory} is {what}.\nFix: another sweep.dir")
    stored = about["experiments"]
    if stored and experiments and not set(stored) & set(experiments):
        raise InputError(
            f"sweep.dir={directory} holds a sweep of {', '.join(stored)}, and this is "
            f"one of {', '.join(experiments)}.\nFix: another sweep.dir, or none: each sweep "
            "gets one of its own"
        )


def _read(path: Path) -> dict[str, Any]:
    """Raises InputError for another version, ValueError, OSError."""
    content = path.read_bytes()
    try:
        about = unseal(content)
    except NotSealed:
        about = read_json(content)
        if type(about.get("version")) is not int or about["version"] == VERSION:
            raise
    version = about.get("version")
    if type(version) is not int:
        raise ValueError("it is another file of this program's")
    if version != VERSION:
        raise InputError(
            f"{path.parent} was written in format {version}, and this program reads "
            f"format {VERSION}.\nFix: another sweep.dir, or the program's version of then"
        )
    for name, is_right in _FORM.items():
        if name in about and not is_right(about[name]):
            raise ValueError(f"its {name} is none that this program writes")
    missing = [name for name in new_about() if name not in about]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return about


def write_about(directory: Path, about: Mapping[str, Any]) -> None:
    """Written whole, and its copy after it. Raises OSError."""
    text = seal(about)
    for name in (SWEEP, SWEEP_COPY):
        write_whole(directory / name, text)


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_numbering(value: Any) -> bool:
    """Each run with a number of its own, from 0."""
    if not isinstance(value, dict) or not all(type(n) is int and n >= 0 for n in value.values()):
        return False
    return len(set(value.values())) == len(value)


def _are_paces(value: Any) -> bool:
    """The runs and the seconds of each command."""
    return isinstance(value, list) and all(
        isinstance(pace, dict) and type(pace.get(key)) in (int, float)
        for pace in value for key in ("runs", "seconds")
    )  # fmt: skip


_FORM: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("token", "command", "date", "study"), lambda v: isinstance(v, str)),
    **dict.fromkeys(("experiments", "swept"), lambda v: isinstance(v, list) and _are_texts(v)),
    **dict.fromkeys(("versions", "fixed", "tables"),
                    lambda v: isinstance(v, dict) and _are_texts(v.values())),
    "jobs": _is_numbering,
    "git": lambda v: v is None or isinstance(v, dict),
    "trained": _are_paces,
}  # fmt: skip
