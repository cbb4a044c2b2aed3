"""A task on a machine that has none of this one's files: they are sent with it."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from src.complete import is_table
from src.sweep.expand import Job
from src.sweep.prepare import find_means
from src.sweep.sink import Form, Parcels
from src.sweep.tables import Config
from src.sweep.task import Done, Task
from src.sweep.worker import perform


def borrow(jobs: Sequence[Job]) -> list[str]:
    """The files that these jobs read: their tables, and the checkpoints they continue from."""
    found: dict[str, None] = {}
    for job in jobs:
        settings = job.settings()
        if is_table(settings["data"]):
            found[settings["data"]["path"]] = None
        if settings["ckpt"] is not None:
            found[settings["ckpt"]] = None
    return list(found)


def perform_borrowed(
    task: Task, form: Form, sweep: Mapping[str, Any], cores: int, *files: str | bytes
) -> Done:
    """Train a task, and bring its parts home. files: a name and a content, and so on."""
    share = cores / max(len(os.sched_getaffinity(0)), cores) / 2  # others train here, too
    means = find_means(dict(sweep), cores, share)
    names = {str(name): _write(str(name), content) for name, content in
             zip(files[::2], files[1::2], strict=True) if isinstance(content, bytes)}  # fmt: skip
    for job in task.jobs:
        _rename(job, names)
    back = {here: there for there, here in names.items()}
    parcels = Parcels(form, (lambda config: _renamed(config, back)) if names else None)
    failed = perform(task, parcels, means)
    return Done(failed, parcels.parts)


def _write(name: str, content: bytes) -> str:
    key = sha256(name.encode() + content).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"small-nets-{key}"
    folder.mkdir(exist_ok=True)
    path = folder / Path(name).name
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            part.write(content)
        Path(part.name).replace(path)  # whole, for whichever task of this machine comes next
    return str(path)


def _rename(job: Job, names: Mapping[str, str]) -> None:
    if names:
        settings = _renamed(job.settings(), names)
        job.own |= {key: settings[key] for key in ("data", "ckpt")}


def _renamed(config: Config, names: Mapping[str, str]) -> dict[str, Any]:
    found = dict(config)
    if found["ckpt"] in names:
        found["ckpt"] = names[found["ckpt"]]
    if found["data"].get("path") in names:
        found["data"] = found["data"] | {"path": names[found["data"]["path"]]}
    return found
