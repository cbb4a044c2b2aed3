"""Single runs of a stored sweep, looked at closely: their event files, or the whole run again."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from src.build import build
from src.errors import InputError
from src.fit import fit
from src.sweep.directories import outdated, write_hydra, write_runs
from src.sweep.events import SESSION
from src.sweep.ranking import is_better_high
from src.sweep.store import Store
from src.sweep.tables import no_job
from src.sweep.verify import check, show_checks, stopped_at

LOGGED = {"tensorboard": True, "histograms": True}
FORMS = "job numbers (37,42), best:5 or worst:5"


def choose(table: pl.DataFrame, metric: str, text: str) -> list[int]:
    """The job numbers that a text names. Raises InputError.

    best:n and worst:n are of the completed runs by the metric.
    """
    ranked = re.fullmatch(r"(best|worst):([1-9]\d*)", text)
    if ranked is not None:
        good = table.filter((pl.col("status") == "completed") & pl.col(metric).is_finite())
        down = is_better_high(metric) == (ranked[1] == "best")
        return (
            good.sort(metric, "job", descending=[down, False])["job"].head(int(ranked[2])).to_list()
        )
    if re.fullmatch(r"\d+(,\d+)*", text) is None:
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
        names = [path.name for path in directory.glob("events.out.tfevents.*")]
        return any(not name.endswith(SESSION) for name in names)

    old = outdated(store, table)
    missing = [job for job in jobs if job in old or not has_events(store.directory / str(job))]
    write_runs(store, table, missing, {}, {"logger": LOGGED})
    for job in jobs:
        how = "written" if job in missing else "there already"
        console.print(f"run {job}: {store.directory / str(job)}  ({how})", soft_wrap=True)


def rerun(store: Store, row: Mapping[str, Any], console: Console) -> bool:
    """Repeat a run alone, through Lightning, with everything logged, into a directory of its own.

    One that halving stopped is repeated up to there. Whether it ends where the table says, within
    the bound of `sweep.verify`.
    """
    settings = store.configs([row["run_id"]])[row["run_id"]][0]
    settings |= {"ckpt": None, "engine": None, "logger": LOGGED}
    until = stopped_at(row)
    run = replace(build(settings), until=until)
    directory = _free(store.directory / f"rerun_{row['job']}")
    directory.mkdir()
    write_hydra(directory / ".hydra", row, settings, None)
    result = fit(run, directory, console, is_session=False)  # the sweep has its session
    if result.status == "interrupted":
        raise SystemExit(130)
    ((_, stored),) = store.parameters([row["run_id"]])
    alone = {name: p.detach() for name, p in run.net.named_parameters()}
    kept = {name: stored[name] for name in alone}
    found = check(settings, row["status"], kept, (result.status, alone), until)
    text = "\nAgainst the sweep's table: |p - p'| / |p'| over all parameters"
    console.print(text, style="bold", soft_wrap=True)
    show_checks(console, {row["job"]: found})
    return found.holds


def _free(directory: Path) -> Path:
    """The directory, or the first of its name with a number that is not there yet."""
    tried, count = directory, 1
    while tried.exists():
        count += 1
        tried = directory.with_name(f"{directory.name}_{count}")
    return tried
