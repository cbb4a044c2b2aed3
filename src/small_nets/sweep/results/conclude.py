"""The end of a command on a sweep: what is made of its store, and said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from rich.console import Console

from small_nets.config.sweep_settings import section
from small_nets.nn.early_stopping import losses_in
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.results.normalised import unit
from small_nets.sweep.results.overlays import MOST, draw_overlays
from small_nets.sweep.results.ranking import Ranked, rank
from small_nets.sweep.results.run_directories import write_directories
from small_nets.sweep.results.spread import said_of_runs
from small_nets.sweep.results.standard import Standard, metric_of
from small_nets.sweep.results.success import rules_of, with_success
from small_nets.sweep.results.summary import show_summary
from small_nets.sweep.results.sweep_events import SELECTABLE, write_sweep_events
from small_nets.sweep.results.verify import verify
from small_nets.sweep.store.store import Store
from small_nets.system.command_names import command
from small_nets.system.shell_words import quote_path


@dataclass(frozen=True)
class Concluded:
    """The end of a command. code: its exit code. ranked: the settings by the standard, best first.

    standard: with its metric and rule; None where no run has a metric to be ranked by.
    """

    code: int
    ranked: Sequence[Ranked]
    standard: Standard | None


def conclude(
    store: Store, jobs: Sequence[Job], master: DictConfig, console: Console, standard: Standard,
    is_ranked: bool = True,
) -> Concluded:  # fmt: skip
    """Write directories and pictures, verify, and print the summary.

    master: the multirun's config. standard: its metric is "" for the loss. is_ranked: whether the
    summary ranks the settings; a search has a ranking of its own.
    """
    sweep, is_drawn = section(master, "sweep"), master.pictures != "none"
    store.drop_duplicates()
    table = store.read()
    metric, ranked = standard.metric or metric_of(table), []
    found = None
    if metric in table.columns:
        rules = rules_of(store, table)
        found = replace(standard, metric=metric, rule=rules.get(None))
        table = with_success(store, table, rules)
        ranked = rank(table, list(store.swept), found)
    is_few = len(table) + len(ranked) <= SELECTABLE
    write_directories(store, table, jobs, sweep["directories"], console, with_events=is_few)
    show_summary(console, table, ranked if is_ranked else [], found, unit(store, table, metric))
    if found is not None and is_ranked:
        for line in said_of_runs(store, table, ranked, found):
            console.print(line, soft_wrap=True)
    pictures = draw_overlays(store, table, ranked, found) if is_drawn and found else []
    events = write_sweep_events(store, table, ranked, found) if found else None
    code = verify(store, jobs, sweep["verify"], console) if sweep["verify"] else 0
    where = store.directory
    console.print(f"sweep directory: {where}", soft_wrap=True)
    console.print(f"tables:          {quote_path(where / 'runs')}/*.parquet  "
                  f"{quote_path(where / 'curves')}/*.parquet", soft_wrap=True)  # fmt: skip
    if pictures:
        console.print("pictures:        " + "  ".join(map(str, pictures)), soft_wrap=True)
    elif is_drawn and len(ranked) > MOST:
        console.print(f"pictures:        in the report; {len(ranked)} settings are too many for "
                      f"one, which shows up to {MOST}", soft_wrap=True)  # fmt: skip
    if ranked:
        console.print(f"look at it:      {command('report')} {quote_path(where)}",
                      soft_wrap=True)  # fmt: skip
    if events is not None:
        console.print(f"                 tensorboard --logdir {quote_path(events)}",
                      soft_wrap=True)  # fmt: skip
    return Concluded(code, ranked, found)


def returns(store: Store, jobs: Sequence[Job]) -> list[JobReturn]:
    """What Hydra's sweepers read: a job's final val/loss, or train/loss; NaN where it has none."""
    table = store.read()
    known = losses_in(table.columns)
    # A run that diverged is worse than any number, also where early stopping kept finite weights.
    value = pl.when(pl.col("status") != "diverged").then(pl.coalesce(known)) if known else None
    loss = [None] * len(table) if value is None else table.select(value).to_series()
    losses = dict(zip(table["run_id"], loss, strict=True))
    found = []
    for job in jobs:
        value = losses.get(job.identity)
        given = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
        given.return_value = float("nan") if value is None else value
        found.append(given)
    return found
