"""A rung's own store below the sweep's: what its runs have reached, and how they go on.

It is laid out as a sweep's store, and holds beside each part the paused members. Runs that end at
the rung are moved to the sweep's store. The rungs are removed when the sweep has ended.
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
    """Open the store of the rung at an epoch, with the sweep's keys and job numbers."""
    rung = Store(store.directory / FOLDER / f"{epoch:09d}")
    rung.done()  # finds what is corrupt, for `heal`
    rung.heal()
    rung.about |= {key: store.about[key] for key in ("experiments", "swept", "jobs")}
    rung.directory.mkdir(parents=True, exist_ok=True)
    rung.begin(store.about["experiments"], {}, store.about["jobs"])
    return rung


def _folders(store: Store) -> list[Path]:
    """The folders of the rungs, by epoch. Anything else that lies there is not ours."""
    found = sorted((store.directory / FOLDER).glob("*"))
    return [path for path in found if re.fullmatch(r"\d{9}", path.name) and not path.is_symlink()]


def remove_rungs(store: Store) -> None:
    """Remove all rungs, part by part.

    The file that marks a store goes last, so that a process that is killed here leaves valid
    stores. Other files stay, and so do the folders around them.
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
    with suppress(OSError):  # it holds another file, or does not exist
        folder.rmdir()


def latest_rung(store: Store) -> tuple[int, int] | None:
    """The latest rung that runs have reached: its epoch, and their number; None where none has."""
    for folder in reversed(_folders(store)):
        arrived = len(Store(folder).read(columns=["run_id"]))
        if arrived:
            return int(folder.name), arrived
    return None


def move_decided(rung: Store, store: Store, decided: pl.DataFrame) -> None:
    """Move runs to the sweep's store, with their curves, configs and weights.

    decided: their rows as they are to be stored.
    """
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
    """The paused members of these jobs at a rung, in the order of the jobs."""
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
