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

from small_nets.config.errors import InputError
from small_nets.config.grammar_quoting import override
from small_nets.data.table_settings import completed
from small_nets.run.outputs.directory_kind import is_number
from small_nets.run.outputs.event_files import TensorBoard, remove_events
from small_nets.run.outputs.provenance import in_the_way, is_ours, refuse_foreign
from small_nets.run.outputs.result import Ending, Result, read_result
from small_nets.run.outputs.run_events import log_end
from small_nets.run.outputs.stored_run import trained
from small_nets.run.outputs.weights import save_weights
from small_nets.run.result_contents import conclude
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.results.standard import metric_of
from small_nets.sweep.results.sweep_events import FOLDER as TENSORBOARD
from small_nets.sweep.store.manifest import refuse_links
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import checked_of, stopped_early
from small_nets.sweep.training.rows import quiet

MULTIRUN = "multirun.yaml"
PICTURES = ("loss.png", "fit.png", "paths.png", "sharpness.png")
EVENTS = ".run"  # the end of the name of a run's event file, by which it is known to be ours
BEST = 10  # of a sweep too large for a directory each
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_directories(
    store: Store, table: pl.DataFrame, jobs: Sequence[Job], most: int, console: Console,
    with_events: bool = True,
) -> None:  # fmt: skip
    """A directory for each run of a small sweep that has none yet, for the best of a large one.

    Those that are there already, and tell of another end than the table, are written anew.
    with_events: whether TensorBoard is to find each of them.
    """
    ended = table.filter(pl.col("status").is_in(["completed", "diverged"]))
    if len(table) > most:
        metric = metric_of(table)
        ended = ended.filter(pl.col("status") == "completed")
        ended = ended.sort(metric).head(BEST) if metric else ended.head(BEST)
        console.print(
            f"run directories: only for the best {len(ended)} of {len(table):,} runs "
            f"(sweep.directories={most}). For all: the same command with "
            f"{override('sweep.dir', store.directory)} sweep.directories={len(table)}",
            soft_wrap=True,
        )
    missing = {
        job for job in ended["job"] if not (store.directory / str(job) / "result.json").exists()
    }
    numbers = sorted(missing | outdated(store, table))
    by_id = {job.identity: job for job in jobs}
    write_runs(store, table, numbers, by_id, with_events=with_events)


def refuse_in_the_way(store: Store, names: Sequence[str]) -> None:
    """Raises InputError where a file that is none of ours lies where one of ours would go.

    Asked before any training; what is in the way in a run's directory, too. names: of the files
    that the sweep itself will write.
    """
    refuse_links(store.directory)
    refuse_foreign(store.directory / name for name in names)
    ours = store.directory / TENSORBOARD
    for path in (ours, store.directory / "rungs", *ours.glob("[0-9][0-9] *")):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise in_the_way(path)
    for path in store.directory.glob("[0-9]*"):
        if is_number(path.name):
            if path.is_symlink() or not path.is_dir():
                raise in_the_way(path)
            if (path / ".hydra").is_symlink():
                raise in_the_way(path / ".hydra")
            refuse_foreign(path / name for name in ("result.json", "weights.safetensors"))
            _refuse_another(store, path)


def _refuse_another(store: Store, directory: Path) -> None:
    """Raises InputError for a run that is there by itself, and not as the sweep's of that number.

    A result that cannot be read is written again.
    """
    found = _result(directory)
    if found is not None and store.about["jobs"].get(found.run_id) != int(directory.name):
        raise InputError(
            f"{directory} is in the way: it holds another run than run {directory.name} of this "
            "sweep, and is not overwritten.\nFix: give it another name, and the same command"
        )


def outdated(store: Store, table: pl.DataFrame) -> set[int]:
    """The job numbers of directories whose run was trained again, or on, since they were written.

    As after halving, where the same command without it trains what was stopped to its end.
    """
    there = [path.parent for path in store.directory.glob("*/result.json")]
    found = {int(path.name): path for path in there if is_number(path.name)}
    trained = table.filter(pl.col("job").is_in(list(found)), pl.col("status") != "failed")
    return {
        row["job"] for row in trained.iter_rows(named=True) if not _tells_of(row, found[row["job"]])
    }


def _tells_of(row: Mapping[str, Any], directory: Path) -> bool:
    """Whether a run's result is there, and is of the end that its row has."""
    result = _result(directory)
    return result is not None and (result.status, result.epochs) == (row["status"], row["epochs"])


def _result(directory: Path) -> Result | None:
    """What a run's directory says of it; None where it cannot be read: it is written again."""
    try:
        return read_result(directory / "result.json")
    except (OSError, ValueError):
        return None


def write_runs(
    store: Store, table: pl.DataFrame, numbers: Sequence[int], jobs: Mapping[str, Job],
    more: Mapping[str, Any] | None = None, with_events: bool = True,
) -> None:  # fmt: skip
    """The directories of these runs, by job number. more: settings in place of a run's own."""
    if not numbers:
        return
    chosen = table.filter(pl.col("job").is_in(list(numbers)))
    rows = {row["run_id"]: row for row in chosen.iter_rows(named=True)}
    curves, configs = store.curves(rows), store.configs(rows)
    by_run = {ids[0]: curve for ids, curve in curves.group_by(["run_id"], maintain_order=True)}
    for run_id, state in store.parameters(rows):
        if run_id not in by_run:  # its part's curves cannot be believed
            continue
        config = checked_of(store, configs, run_id) | dict(more or {})
        write_directory(
            store.directory / str(rows[run_id]["job"]), rows[run_id], config, by_run[run_id],
            state, jobs.get(run_id), with_events,
        )  # fmt: skip


def write_directory(
    directory: Path, row: Mapping[str, Any], config: dict[str, Any], curve: pl.DataFrame,
    state: Mapping[str, Tensor], job: Job | None, with_events: bool = True,
) -> None:  # fmt: skip
    """.hydra, result.json, weights.safetensors, scalar events. result.json is the last one."""
    began = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    if not _tells_of(row, directory):  # pictures of what the run was before
        for path in (*directory.glob("*.png"), *directory.glob("*.gif")):
            if is_ours(path):
                path.unlink()
    remove_events(directory, EVENTS)  # of a process that was killed here
    write_hydra(directory / ".hydra", row, config, job)
    run = trained(config, state)
    columns = [c for c in curve.columns if c != "run_id" and curve[c].is_not_null().any()]
    curves = {name: curve[name].to_list() for name in columns}
    # Nothing else ends a run that completed before its last epoch.
    early = stopped_early(row, config)
    ending = Ending(row["status"], row["epochs"], curves, row["kept_step"], early)
    result, _ = conclude(run, ending, row["seconds"], quiet())
    about = completed(config["data"])
    # Not synced: all of it can be written again from the store.
    save_weights(directory / "weights.safetensors", run.net, run.data, about, sync=False)
    if run.tensorboard and with_events:
        logger = TensorBoard(directory, EVENTS)
        logger.log_curves(curves)
        log_end(logger, run, result)
        logger.close()
    result.seconds["total"] = row["seconds"] + time.perf_counter() - began
    result.write(directory, sync=False)


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
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def _hydra_of(common: Mapping[str, Any], row: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The family's own node, with what differs from job to job."""
    task = shlex.split(row["overrides"])
    return dict(common) | {
        "job": {**common["job"], "id": row["job"], "num": row["job"],
                "override_dirname": ",".join(task)},
        "overrides": {**common["overrides"], "task": task},
        "runtime": {**common["runtime"], "output_dir": str(directory.absolute())},
    }  # fmt: skip
