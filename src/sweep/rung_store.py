"""A rung's own store below the sweep's: what all runs had reached there, and how they go on.

It has the form of a sweep's store, and beside each part the members to go on from. What is decided
is moved to the sweep's store; when the sweep has ended, the rungs are removed.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from src.engines.paused import Paused, concatenate
from src.sweep.expand import Job
from src.sweep.files import part_file
from src.sweep.outcomes import name_of
from src.sweep.packed import Packed, table_bytes
from src.sweep.store import Store
from src.tensors import read_tensors, tensors_to_bytes

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


def remove_rungs(store: Store) -> None:
    """All of them, at one stroke: half a rung would be no store."""
    folder = store.directory / FOLDER
    gone = folder.with_name(f".{FOLDER}")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.exists():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def latest_rung(store: Store) -> tuple[int, int] | None:
    """The last epoch that a halved sweep under way has come to, and how many runs are there."""
    for folder in sorted((store.directory / FOLDER).glob("*"), reverse=True):
        arrived = len(Store(folder).read(columns=["run_id"]))
        if arrived:
            return int(folder.name), arrived
    return None


def move(rung: Store, store: Store, decided: pl.DataFrame) -> None:
    """Store rows of a rung's runs table, as they are given, with all that belongs to them."""
    for part in rung.parts():
        ids = pl.read_parquet(part_file(rung.directory, "runs", part), columns=["run_id"])
        rows = decided.join(ids, on="run_id", how="semi")
        if len(rows):
            packed = _pick(rung, part, rows)
            name = name_of(rows["job"], packed.ids)
            packed.write(store.directory, name)
            store.adopt(name, packed.ids, packed.columns)


def _pick(rung: Store, part: str, rows: pl.DataFrame) -> Packed:
    ids = rows["run_id"].to_list()
    files = {"runs": table_bytes(rows)}
    for kind in ("configs", "curves"):
        path = part_file(rung.directory, kind, part)
        if path.exists():
            table = pl.read_parquet(path)
            files[kind] = table_bytes(table.filter(pl.col("run_id").is_in(ids)))
    if rung.has_weights(part):
        place, tensors = rung.weights(part)
        index = torch.tensor([place[run_id] for run_id in ids])
        picked = {name: values[index] for name, values in tensors.items()}
        files["weights"] = tensors_to_bytes(picked, {"run_ids": json.dumps(ids)})
    return Packed(ids, rows.columns, files)


def paused(rung: Store, jobs: Sequence[Job]) -> Paused:
    """The members of these runs at a rung, in their order."""
    wanted = {job.run_id for job in jobs}
    found: list[Paused] = []
    places: dict[str, int] = {}
    for part in rung.parts():
        path = part_file(rung.directory, "paused", part)
        if not path.exists():
            continue
        ids, here = _read(path)
        mine = [place for place, run_id in enumerate(ids) if run_id in wanted]
        if mine:
            places |= {ids[place]: len(places) + i for i, place in enumerate(mine)}
            found.append(here.select(mine))
    return concatenate(found).select([places[job.run_id] for job in jobs])


def _read(path: Path) -> tuple[list[str], Paused]:
    tensors, about = read_tensors(path)
    header: Mapping[str, object] = json.loads(about["header"])
    return json.loads(about["run_ids"]), Paused.of(tensors, header)
