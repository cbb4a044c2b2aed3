"""Successive halving of a sweep: all to a rung, the worse settings stop, the rest go on."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
from rich.console import Console

from src.sweep.expand import Job
from src.sweep.plan import Plan
from src.sweep.prepare import Ready
from src.sweep.ranking import SEEDS, is_better_high, metric_of
from src.sweep.rung_store import FOLDER, move, open_rung, paused
from src.sweep.rungs import Halving, Ranks, rungs, survivors
from src.sweep.store import Store

Train = Callable[[Plan, Sequence[Ready], Store], None]
Setting = tuple[Any, ...]


def train_by_halving(
    plan: Plan, ready: Sequence[Ready], store: Store, jobs: Sequence[Job], halving: Halving,
    train: Train, console: Console, metric: str | None = None,
) -> None:  # fmt: skip
    """Train a plan's groups rung by rung; what goes alone is trained to its end.

    jobs: all of the command, of which some may be stored. train: what trains a plan into a store.
    metric: to rank by; None for the loss. The rungs stay until all is done, so that the same
    command goes on from the last one.
    """
    train(Plan(failed=list(plan.failed)), [], store)
    under_way = list(ready)
    longest = max((_epochs(group) for group in ready), default=0)
    for epoch in rungs(halving.first, halving.factor, longest):
        here = [group for group in under_way if _epochs(group) > epoch]
        rung = open_rung(store, epoch)
        _reach(here, rung, epoch, plan, train)
        ranks, decided = _decide(rung, store, {job.run_id for job in jobs}, halving, epoch, metric)
        move(rung, store, decided)
        _say(console, ranks, epoch, store)
        gone = store.final()
        under_way = [group for group in under_way if _epochs(group) <= epoch]
        under_way += [on for group in here if (on := _going_on(group, gone, rung)) is not None]
    whole = Plan(groups=[group.group for group in under_way], alone=plan.alone)
    train(whole, under_way, store)
    plan.failed += whole.failed
    shutil.rmtree(store.directory / FOLDER, ignore_errors=True)


def _epochs(group: Ready) -> int:
    return group.group.jobs[0].settings()["trainer"]["max_epochs"]


def _reach(here: Sequence[Ready], rung: Store, epoch: int, plan: Plan, train: Train) -> None:
    """Train to the rung whoever has not got there yet."""
    there = set(rung.read(columns=["run_id"])["run_id"])
    wanted = []
    for group in here:
        jobs = group.group.jobs
        places = [place for place, job in enumerate(jobs) if job.run_id not in there]
        if places:
            some = replace(group.group.at(places), until=epoch)
            share = _share(some.since.epoch if some.since else 0, epoch, group)
            seconds = group.seconds * share * len(places) / len(jobs)
            wanted.append(replace(group, group=some, seconds=seconds))
    some = Plan(groups=[group.group for group in wanted])
    train(some, wanted, rung)
    plan.failed += some.failed


def _share(first: int, last: int, group: Ready) -> float:
    """Of what is left of a group's training."""
    return (last - first) / max(_epochs(group) - first, 1)


def _decide(
    rung: Store, store: Store, ids: set[str], halving: Halving, epoch: int, metric: str | None
) -> tuple[Ranks[Setting], pl.DataFrame]:
    """The settings ranked, and the rows of those runs that end here."""
    table = rung.read().filter(pl.col("run_id").is_in(list(ids)))
    metric = metric or metric_of(table) or "train/loss"
    keys = [key for key in store.swept if key not in SEEDS]
    settings: list[Setting] = list(table.select(keys).iter_rows()) if keys else [()] * len(table)
    good = (pl.col("status") == "completed") & pl.col(metric).is_not_null()
    values = table.select(pl.when(good).then(pl.col(metric)).otherwise(float("nan")))
    found: dict[Setting, list[float]] = {}
    for setting, value in zip(settings, values.to_series(), strict=True):
        found.setdefault(setting, []).append(value)
    ranks = survivors(found, halving.factor, is_better_high(metric))
    going = set(ranks.going)
    stops = pl.Series([setting not in going for setting in settings], dtype=pl.Boolean)
    rank = pl.Series([ranks.of[setting] for setting in settings], dtype=pl.Int64)
    # Who diverged, failed or had stopped early has ended by itself.
    halted = stops & (table["status"] == "completed") & (table["epochs"] == epoch)
    own = (table["status"] != "completed") | (table["epochs"] < epoch)
    marked = table.with_columns(
        pl.when(halted).then(pl.lit("stopped")).otherwise(pl.col("status")).alias("status"),
        pl.when(halted).then(rank).alias("stopped_rank"),
    )
    final = store.final()
    return ranks, marked.filter((halted | own) & ~pl.col("run_id").is_in(list(final)))


def _going_on(group: Ready, gone: set[str], rung: Store) -> Ready | None:
    jobs = [job for job in group.group.jobs if job.run_id not in gone]
    if not jobs:
        return None
    before = group.group.since.epoch if group.group.since else 0
    since = paused(rung, jobs)
    share = (1 - _share(before, since.epoch, group)) * len(jobs) / len(group.group.jobs)
    some = replace(group.group, jobs=jobs, since=since, until=None)
    return replace(group, group=some, seconds=group.seconds * share)


def _say(console: Console, ranks: Ranks[Setting], epoch: int, store: Store) -> None:
    keys = [key for key in store.swept if key not in SEEDS]
    best: Mapping[str, Any] = dict(zip(keys, ranks.going[0], strict=True)) if ranks.of else {}
    text = " ".join(f"{key}={value}" for key, value in best.items() if value is not None)
    console.print(
        f"epoch {epoch:,}: {ranks.count:,} of {len(ranks.of):,} settings go on"
        + (f", the best so far {text}" if text else ""),
        soft_wrap=True,
    )
