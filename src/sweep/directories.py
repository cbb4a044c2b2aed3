"""Run directories of a sweep, written from its store: what a single run leaves, but pictures."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from rich.console import Console
from torch import Tensor

from src.complete import completed
from src.events import log_end
from src.fit import conclude
from src.result import Ending
from src.sweep.expand import Job
from src.sweep.outcomes import quiet
from src.sweep.ranking import metric_of
from src.sweep.store import Store
from src.sweep.stored import trained
from src.tensorboard import TensorBoard
from src.weights import save_weights

BEST = 10  # of a sweep too large for a directory each
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_directories(
    store: Store, table: pl.DataFrame, jobs: Sequence[Job], most: int, console: Console
) -> None:
    """A directory for each run of a small sweep that has none yet, for the best of a large one.

    Those that are there already, and tell of another end than the table, are written anew.
    """
    ended = table.filter(pl.col("status").is_in(["completed", "diverged"]))
    if len(table) > most:
        metric = metric_of(table)
        ended = ended.filter(pl.col("status") == "completed")
        ended = ended.sort(metric).head(BEST) if metric else ended.head(BEST)
        console.print(
            f"run directories: only for the best {len(ended)} of {len(table):,} runs "
            f"(sweep.directories={most}). For all: the same command with sweep.dir="
            f"{store.directory} sweep.directories={len(table)}",
            soft_wrap=True,
        )
    missing = {
        job for job in ended["job"] if not (store.directory / str(job) / "result.json").exists()
    }
    numbers = sorted(missing | outdated(store, table))
    write_runs(store, table, numbers, {job.identity: job for job in jobs})


def outdated(store: Store, table: pl.DataFrame) -> set[int]:
    """The job numbers of directories whose run was trained again, or on, since they were written.

    As after halving, where the same command without it trains what was stopped to its end.
    """
    there = [path.parent for path in store.directory.glob("*/result.json")]
    found = {int(path.name): path for path in there if path.name.isdecimal()}
    trained = table.filter(pl.col("job").is_in(list(found)), pl.col("status") != "failed")
    return {
        row["job"]
        for row in trained.iter_rows(named=True)
        if _tells(found[row["job"]]) != (row["status"], row["epochs"])
    }


def _tells(directory: Path) -> tuple[Any, Any] | None:
    """Status and epochs of a run's result; None where there is none that can be read."""
    try:
        result = json.loads((directory / "result.json").read_text())
        return result["status"], result["epochs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # to be written again


def write_runs(
    store: Store, table: pl.DataFrame, numbers: Sequence[int], jobs: Mapping[str, Job],
    more: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """The directories of these runs, by job number. more: settings in place of a run's own."""
    if not numbers:
        return
    chosen = table.filter(pl.col("job").is_in(list(numbers)))
    rows = {row["run_id"]: row for row in chosen.iter_rows(named=True)}
    curves = store.curves(rows)
    by_run = {ids[0]: curve for ids, curve in curves.group_by(["run_id"], maintain_order=True)}
    configs = store.configs(rows)
    for run_id, state in store.parameters(rows):
        write_directory(
            store.directory / str(rows[run_id]["job"]), rows[run_id],
            configs[run_id][0] | dict(more or {}), by_run[run_id], state, jobs.get(run_id),
        )  # fmt: skip


def write_directory(
    directory: Path, row: Mapping[str, Any], config: dict[str, Any], curve: pl.DataFrame,
    state: Mapping[str, Tensor], job: Job | None,
) -> None:  # fmt: skip
    """.hydra, result.json, weights.safetensors, scalar events. result.json is the last one."""
    began = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    old = [*directory.glob("events.out.tfevents.*")]  # of a process that was killed here
    if _tells(directory) != (row["status"], row["epochs"]):
        old += [*directory.glob("*.png"), *directory.glob("*.gif")]  # of what the run was before
    for path in old:
        path.unlink()
    write_hydra(directory / ".hydra", row, config, job)
    run = trained(config, state)
    columns = [c for c in curve.columns if c != "run_id" and curve[c].is_not_null().any()]
    curves = {name: curve[name].to_list() for name in columns}
    ending = Ending(row["status"], row["epochs"], curves, row["kept_step"])
    result, _ = conclude(run, ending, row["seconds"], quiet())
    about = completed(config["data"])
    save_weights(directory / "weights.safetensors", run.net, run.data, about)
    if run.tensorboard:
        logger = TensorBoard(directory)
        logger.log_curves(curves)
        log_end(logger, run, result)
        logger.close()
    result.seconds["total"] = row["seconds"] + time.perf_counter() - began
    result.write(directory)


def write_hydra(
    folder: Path, row: Mapping[str, Any], config: dict[str, Any], job: Job | None
) -> None:
    """As Hydra writes it; for a run of an earlier command, its config with nothing to resolve."""
    folder.mkdir(exist_ok=True)
    family = None if job is None else job.family
    plain = config if job is None or family is None else family.unresolved(job.values)
    files: dict[str, Any] = {"config": plain, "overrides": shlex.split(row["overrides"])}
    if family is not None and family.hydra:
        files["hydra"] = {"hydra": _hydra_of(family.hydra, row, folder.parent)}
    for name, content in files.items():
        text = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True)
        (folder / f"{name}.yaml").write_text(text)


def _hydra_of(common: Mapping[str, Any], row: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The family's own node, with what differs from job to job."""
    task = shlex.split(row["overrides"])
    return dict(common) | {
        "job": {**common["job"], "id": row["job"], "num": row["job"],
                "override_dirname": ",".join(task)},
        "overrides": {**common["overrides"], "task": task},
        "runtime": {**common["runtime"], "output_dir": str(directory.absolute())},
    }  # fmt: skip
