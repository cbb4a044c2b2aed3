"""sweep.json says what a sweep is. A copy of it is kept, for when the file breaks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import SWEEP, SWEEP_COPY
from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import NotSealed, read_json, seal, unseal

VERSION = 4


def new_about() -> dict[str, Any]:
    """What sweep.json says of a sweep that has not begun.

    - token: the store's, which its parts carry; "" before the sweep begins
    - experiments: their names
    - swept: the swept keys
    - jobs: run_id -> job number

    Later it also has command, date, versions, git, fixed (key -> override), tables (path ->
    digest), study (the file of a search), trained (the runs and seconds of each command), and of
    the last command what it ranks by (rank_by) and the success that it typed, "" for none.
    """
    return {"version": VERSION, "token": "", "experiments": [], "swept": [], "jobs": {}}


def begun(about: Mapping[str, Any], run_ids: Mapping[str, int]) -> dict[str, Any]:
    """Add a token, and a job number for each of these runs. run_ids: run_id -> its place.

    The place is that in the command. A run keeps the number that it got first. A new run gets the
    number of its place, or the next free one.
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
    """Read what sweep.json says, or its copy, and what is wrong with the file or None.

    Raises InputError where both are broken, or were written in another format.
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
        return found, f"{path} {why}. Its copy {SWEEP_COPY} is used"


def refuse_other(directory: Path, about: Mapping[str, Any], experiments: Sequence[str]) -> None:
    """Raises InputError where the directory holds another experiment's sweep, or a run."""
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
    """Read and check a file. Raises InputError for another format, ValueError, OSError."""
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
            f"format {VERSION}.\nFix: another sweep.dir, or the version that wrote it"
        )
    for name, is_right in _FORM.items():
        if name in about and not is_right(about[name]):
            raise ValueError(f"its {name} is not in the form that this program writes")
    missing = [name for name in new_about() if name not in about]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return about


def write_about(directory: Path, about: Mapping[str, Any]) -> None:
    """Write sweep.json, then its copy. Raises OSError."""
    text = seal(about)
    for name in (SWEEP, SWEEP_COPY):
        write_whole(directory / name, text)


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_numbering(value: Any) -> bool:
    """Whether each run has a number of its own, 0 or more."""
    if not isinstance(value, dict) or not all(type(n) is int and n >= 0 for n in value.values()):
        return False
    return len(set(value.values())) == len(value)


def _are_paces(value: Any) -> bool:
    """Whether this is a list of the runs and the seconds of each command."""
    return isinstance(value, list) and all(
        isinstance(pace, dict) and type(pace.get(key)) in (int, float)
        for pace in value for key in ("runs", "seconds")
    )  # fmt: skip


_FORM: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("token", "command", "date", "study", "rank_by", "success"),
                    lambda v: isinstance(v, str)),
    **dict.fromkeys(("experiments", "swept"), lambda v: isinstance(v, list) and _are_texts(v)),
    **dict.fromkeys(("versions", "fixed", "tables"),
                    lambda v: isinstance(v, dict) and _are_texts(v.values())),
    "jobs": _is_numbering,
    "git": lambda v: v is None or isinstance(v, dict),
    "trained": _are_paces,
}  # fmt: skip
