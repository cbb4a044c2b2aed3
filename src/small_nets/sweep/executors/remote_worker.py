"""Trains a task on a machine without the driver's files, which are sent with it."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from small_nets.config.components import is_table
from small_nets.sweep.cohorts.prepare import find_means
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.store.columns import Config
from small_nets.sweep.store.part import Packed
from small_nets.sweep.training.sink import PartFormat, RemoteSink
from small_nets.sweep.training.task import Done, Task
from small_nets.sweep.training.worker import perform_task
from small_nets.system.atomic_file import write_whole


def files_of(jobs: Sequence[Job]) -> list[str]:
    """The files that jobs read: their tables, and the checkpoints that they continue from."""
    found: dict[str, None] = {}
    for job in jobs:
        settings = job.settings()
        if is_table(settings["data"]):
            found[settings["data"]["path"]] = None
        if settings["ckpt"] is not None:
            found[settings["ckpt"]] = None
    return list(found)


def perform_with_files(
    task: Task, form: PartFormat, sweep: Mapping[str, Any], cores: int, *files: str | bytes
) -> Done:
    """Train a task and return its parts. files: name, content, name, content, …"""
    share = cores / max(len(os.sched_getaffinity(0)), cores) / 2  # other tasks train here, too
    means = find_means(dict(sweep), cores, share)
    names = {str(name): _write(str(name), content) for name, content in
             zip(files[::2], files[1::2], strict=True) if isinstance(content, bytes)}  # fmt: skip
    for job in task.jobs if names else ():
        settings = _renamed(job.settings(), names)
        job.own |= {key: settings[key] for key in ("data", "ckpt")}
    back = {here: there for there, here in names.items()}
    parts: list[Packed] = []
    sink = RemoteSink(form, parts.append, lambda config: _renamed(config, back))
    return Done(perform_task(task, sink, means), parts)


def _write(name: str, content: bytes) -> str:
    key = sha256(name.encode() + content).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"small-nets-{key}"
    folder.mkdir(exist_ok=True)
    path = folder / Path(name).name
    if not path.exists():
        # Written whole, because other tasks of this machine may read it.
        write_whole(path, content, sync=False)
    return str(path)


def _renamed(config: Config, names: Mapping[str, str]) -> dict[str, Any]:
    found = dict(config)
    if found["ckpt"] in names:
        found["ckpt"] = names[found["ckpt"]]
    if found["data"].get("path") in names:
        found["data"] = found["data"] | {"path": names[found["data"]["path"]]}
    return found
