"""The end of a command on a sweep: what is made of its store, and said of it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from hydra.core.utils import JobReturn, JobStatus
from rich.console import Console

from src.sweep.directories import write_directories
from src.sweep.events import write_sweep_events
from src.sweep.expand import Job
from src.sweep.overlays import MOST, draw_overlays
from src.sweep.ranking import metric_of, rank
from src.sweep.show import show_summary
from src.sweep.store import Store
from src.sweep.verify import verify


def conclude(
    store: Store, jobs: Sequence[Job], sweep: Mapping[str, Any], console: Console,
    is_ranked: bool = True,
) -> int:  # fmt: skip
    """Directories, pictures, verification, summary. The exit code.

    is_ranked: whether the summary ranks the settings; a search has a ranking of its own.
    """
    store.drop_duplicates()
    table = store.read()
    write_directories(store, table, jobs, sweep["directories"], console)
    metric = metric_of(table)
    ranked = [] if metric is None else rank(table, list(store.swept), metric)
    show_summary(console, table, ranked if is_ranked else [], metric)
    pictures = draw_overlays(store, table, ranked, metric)
    if ranked:
        write_sweep_events(store, table, ranked)
    code = verify(store, jobs, sweep["verify"], console) if sweep["verify"] else 0
    where = store.directory
    console.print(f"sweep directory: {where}", soft_wrap=True)
    console.print(f"tables:          {where}/runs/*.parquet  {where}/curves/*.parquet",
                  soft_wrap=True)  # fmt: skip
    if pictures:
        console.print("pictures:        " + "  ".join(map(str, pictures)), soft_wrap=True)
    elif len(ranked) > MOST:
        console.print(f"pictures:        none of {len(ranked)} settings; up to {MOST} are drawn")
    if ranked:
        console.print(f"look at it:      python -m src.report {shlex.quote(str(where))}",
                      soft_wrap=True)  # fmt: skip
    return code


def returns(store: Store, jobs: Sequence[Job]) -> list[JobReturn]:
    """What Hydra's sweepers read: a job's final val/loss, or train/loss; NaN where it has none."""
    table = store.read()
    known = [m for m in ("val/loss", "train/loss") if m in table.columns]
    loss = table.select(pl.coalesce(known)).to_series() if known else [None] * len(table)
    losses = dict(zip(table["run_id"], loss, strict=True))
    found = []
    for job in jobs:
        value = losses.get(job.identity)
        given = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
        given.return_value = float("nan") if value is None else value
        found.append(given)
    return found
