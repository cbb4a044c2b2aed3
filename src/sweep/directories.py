"""Run directories of a sweep, written from its store: what a single run leaves, but pictures."""

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
    """A directory for each run of a small sweep that has none yet, for the best of a large one."""
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
    missing = [
        row["job"]
        for row in ended.iter_rows(named=True)
        if not (store.directory / str(row["job"]) / "result.json").exists()
    ]
    write_runs(store, table, missing, {job.identity: job for job in jobs})


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
    for old in directory.glob("events.out.tfevents.*"):
        old.unlink()  # of a process that was killed here
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
