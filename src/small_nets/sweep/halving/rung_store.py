"""A rung's own store below the sweep's: what all runs had reached there, and how they go on.

It has the form of a sweep's store, and beside each part the members to go on from. What is decided
is moved to the sweep's store; when the sweep has ended, the rungs are removed.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl
import torch

from small_nets.engines.snapshot import Paused, concatenate
from small_nets.run.outputs.directory_kind import SWEEP, SWEEP_COPY
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.store.manifest import KINDS, MANIFESTS, remove_part
from small_nets.sweep.store.part import packed
from small_nets.sweep.store.store import Store

FOLDER = "rungs"


def open_rung(store: Store, epoch: int) -> Store:
    """The store of the runs at an epoch, with the keys and the job numbers of the sweep's."""
    rung = Store(store.directory / FOLDER / f"{epoch:09d}")
    rung.done()  # finds what is corrupt
    rung.heal()
    rung.about |= {key: store.about[key] for key in ("experiments", "swept", "jobs")}
    rung.directory.mkdir(parents=True, exist_ok=True)
    rung.begin(store.about["experiments"], {}, store.about["jobs"])
    return rung


def _folders(store: Store) -> list[Path]:
    """Those of rungs, the first one first; whatever else lies there is not ours."""
    found = sorted((store.directory / FOLDER).glob("*"))
    return [path for path in found if re.fullmatch(r"\d{9}", path.name) and not path.is_symlink()]


def remove_rungs(store: Store) -> None:
    """All of them, part by part; what says that they are stores goes last.

    So a process that is killed here leaves stores that are whole, if smaller. A file that is none
    of ours stays, and the folders around it.
    """
    for folder in _folders(store):
        rung = Store(folder)
        for part in rung.parts():
            manifest = rung.checked.manifest(part)
            if manifest is not None:
                remove_part(folder, manifest)
        for kind in (*KINDS, MANIFESTS):
            _remove_empty(folder / kind)
        for name in (SWEEP, SWEEP_COPY):
            if rung.exists and not (folder / name).is_symlink():
                (folder / name).unlink(missing_ok=True)
        _remove_empty(folder)
    _remove_empty(store.directory / FOLDER)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # somebody's file is in it, or it is not there
        folder.rmdir()


def latest_rung(store: Store) -> tuple[int, int] | None:
    """The last epoch that a halved sweep under way has come to, and how many runs are there."""
    for folder in reversed(_folders(store)):
        arrived = len(Store(folder).read(columns=["run_id"]))
        if arrived:
            return int(folder.name), arrived
    return None


def move_decided(rung: Store, store: Store, decided: pl.DataFrame) -> None:
    """Store rows of a rung's runs table, as they are given, with all that belongs to them."""
    for part in rung.parts():
        ids = rung.checked.rows(part, ["run_id"])
        rows = decided.clear() if ids is None else decided.join(ids, on="run_id", how="semi")
        if rows.is_empty():
            continue
        moved = rows["run_id"].to_list()
        place, tensors = rung.weights(part) if rung.has_weights(part) else ({}, {})
        index = torch.tensor([place[run_id] for run_id in moved]) if tensors else None
        weights = {name: values[index] for name, values in tensors.items()}
        configs = rung.checked.configs(part, moved) or {}
        store.keep(packed(rows, configs, rung.checked.curves(part, ids=moved), weights))


def paused_members(rung: Store, jobs: Sequence[Job]) -> Paused:
    """The members of these runs at a rung, in their order."""
    wanted = {job.run_id for job in jobs}
    found: list[Paused] = []
    places: dict[str, int] = {}
    for part in rung.parts():
        stored = rung.checked.tensors(part, "paused")
        if stored is None:
            continue
        ids, members, header = stored
        mine = [place for place, run_id in enumerate(ids) if run_id in wanted]
        if mine:
            places |= {ids[place]: len(places) + i for i, place in enumerate(mine)}
            found.append(Paused.of(members, json.loads(header)).select(mine))
    return concatenate(found).select([places[job.run_id] for job in jobs])
