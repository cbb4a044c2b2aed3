"""Single runs of a stored sweep, looked at closely: their event files, or the whole run again."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.fit import fit
from small_nets.run.outputs.directory_lock import locked
from small_nets.sweep.results.run_directories import outdated, write_hydra, write_runs
from small_nets.sweep.results.standard import has_finite, is_better_high
from small_nets.sweep.results.verify import check, show_checks, stopped_at
from small_nets.sweep.store.columns import no_job
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import checked_config, no_weights
from small_nets.system.atomic_file import free_name
from small_nets.system.shell_words import quote_path
from small_nets.system.signals import exit_code

LOGGED = {"tensorboard": True, "histograms": True}
FORMS = "job numbers (37,42), best:5 or worst:5"


def chosen_jobs(table: pl.DataFrame, metric: str, text: str) -> list[int]:
    """The job numbers that a text names. Raises InputError.

    best:n and worst:n are of the completed runs by the metric.
    """
    ranked = re.fullmatch(r"(best|worst):([1-9][0-9]{0,17})", text)
    if ranked is not None:
        down = is_better_high(metric) == (ranked[1] == "best")
        good = table.filter(has_finite(metric)).sort(metric, "job", descending=[down, False])
        return good["job"].head(int(ranked[2])).to_list()
    if re.fullmatch(r"[0-9]{1,18}(,[0-9]{1,18})*", text) is None:
        raise InputError(f"{text!r} names no runs.\nAllowed: {FORMS}")
    jobs = [int(word) for word in text.split(",")]
    for job in jobs:
        row_of(table, job)
    return jobs


def row_of(table: pl.DataFrame, job: int) -> dict[str, Any]:
    """The row of a run. Raises InputError where there is none, or nothing was trained."""
    found = table.filter(pl.col("job") == job)
    if found.is_empty():
        raise no_job(table, job)
    row = found.row(0, named=True)
    if row["status"] == "failed":
        raise InputError(f"run {job} failed, so that nothing was trained: {row['message']}")
    return row


def write_events_of(store: Store, table: pl.DataFrame, jobs: list[int], console: Console) -> None:
    """Directories with event files for those of the runs that have no such file, or an old one."""

    def has_events(directory: Path) -> bool:
        return any(directory.glob("events.out.tfevents.*"))

    old = outdated(store, table)
    missing = [job for job in jobs if job in old or not has_events(store.directory / str(job))]
    with locked(store.directory):  # a sweep under way may write the same directories
        write_runs(store, table, missing, {}, {"logger": LOGGED})
    for job in jobs:
        how = "written" if job in missing else "there already"
        where = store.directory / str(job)
        console.print(f"run {job}: tensorboard --logdir {quote_path(where)}  ({how})",
                      soft_wrap=True)  # fmt: skip


def rerun(store: Store, row: Mapping[str, Any], console: Console) -> bool:
    """Repeat a run alone, through Lightning, with everything logged, into a directory of its own.

    One that halving stopped is repeated up to there. Whether it ends where the table says, within
    the bound of `sweep.verify`.
    """
    settings = checked_config(store, row["run_id"])
    stored = dict(store.parameters([row["run_id"]])).get(row["run_id"])
    if stored is None:
        raise no_weights(store)
    settings |= {"ckpt": None, "engine": None, "logger": LOGGED}
    until = stopped_at(row)
    run = replace(build(settings), until=until)
    directory = free_name(store.directory / f"rerun_{row['job']}")
    directory.mkdir()
    console.print(f"Run {row['job']} of {store.directory}, trained once more, alone and through "
                  f"Lightning: {row['overrides']}\n", style="bold", soft_wrap=True)  # fmt: skip
    write_hydra(directory / ".hydra", row, settings, None)
    result = fit(run, directory, console, is_session=False)  # the sweep has its session
    if result.status == "interrupted":
        raise SystemExit(exit_code())
    alone = {name: p.detach() for name, p in run.net.named_parameters()}
    if {n: p.shape for n, p in stored.items()} != {n: p.shape for n, p in alone.items()}:
        raise InputError(f"the weights of run {row['job']} in {store.directory} are those of "
                         "another network than its config's")  # fmt: skip
    kept = {name: stored[name] for name in alone}
    found = check(settings, row["status"], kept, (result.status, alone), until)
    text = "\nAgainst the sweep's table: |p - p'| / |p'| over all parameters"
    console.print(text, style="bold", soft_wrap=True)
    show_checks(console, {row["job"]: found})
    return found.holds
