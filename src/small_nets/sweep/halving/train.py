"""Successive halving of a sweep: train all to a rung, stop the worse settings, go on."""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import polars as pl
from rich.console import Console

from small_nets.sweep.cohorts.prepare import Ready
from small_nets.sweep.halving.rung_store import (
    move_decided,
    open_rung,
    paused_members,
    remove_rungs,
)
from small_nets.sweep.halving.rungs import Halving, SuccessiveHalving, rungs
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Plan
from small_nets.sweep.results.ranking import setting_text
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.in_process import Stop
from small_nets.sweep.training.progress import runs

FEW = 20  # rungs that are listed
Train = Callable[[Plan, Sequence[Ready], Store], None]


def train_by_halving(
    plan: Plan, ready: Sequence[Ready], store: Store, jobs: Sequence[Job], halving: Halving,
    train: Train, console: Console, standard: Standard,
) -> None:  # fmt: skip
    """Train a plan's groups rung by rung. Runs that go alone are trained to their end.

    jobs: all jobs of the command, stored ones included. train: trains a plan into a store.
    standard: ranks the settings. The rungs stay until all is done, so that the
    same command goes on from the last one.
    """
    train(Plan(failed=list(plan.failed)), [], store)
    settings = SuccessiveHalving(store, {job.run_id for job in jobs}, halving, standard)
    under_way = list(ready)
    longest = max((group.group.epochs for group in ready), default=0)
    for epoch in rungs(halving.first, halving.factor, longest):
        here = [group for group in under_way if group.group.epochs > epoch]
        if not here:
            break
        rung = open_rung(store, epoch)
        _reach(here, rung, epoch, plan, train, store)
        verdict = settings.decide(rung, epoch)
        rows = verdict.ended
        move_decided(rung, store, rows.filter(~pl.col("run_id").is_in(list(settings.final))))
        if (ranks := verdict.ranks).of:
            best = setting_text(dict(zip(settings.keys, ranks.going[0], strict=True)))
            so_far = f", the best so far {best}" if best else ""
            text = f"epoch {epoch:,}: {ranks.count:,} of {len(ranks.of):,} settings go on{so_far}"
            console.print(text, soft_wrap=True)
        gone = set(rows["run_id"])
        under_way = [group for group in under_way if group.group.epochs <= epoch]
        under_way += [on for group in here if (on := _going_on(group, gone, rung)) is not None]
    whole = Plan(groups=[group.group for group in under_way], alone=plan.alone)
    try:
        train(whole, under_way, store)
    finally:
        plan.failed += whole.failed
    remove_rungs(store)


def _reach(
    here: Sequence[Ready], rung: Store, epoch: int, plan: Plan, train: Train, store: Store
) -> None:
    """Train all runs that have not reached the rung up to it."""
    arrived = rung.read(columns=["run_id", "status"]).filter(pl.col("status") != "failed")
    there = set(arrived["run_id"])
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
    try:
        train(some, wanted, rung)
    except Stop:  # store the runs that failed; the others go on from here with the next command
        move_decided(rung, store, rung.read().filter(pl.col("status") == "failed"))
        raise
    finally:
        plan.failed += some.failed


def _share(first: int, last: int, group: Ready) -> float:
    """The part of a group's remaining training that lies between two epochs."""
    return (last - first) / max(group.group.epochs - first, 1)


def _going_on(group: Ready, gone: Container[str], rung: Store) -> Ready | None:
    jobs = [job for job in group.group.jobs if job.run_id not in gone]
    if not jobs:
        return None
    before = group.group.since.epoch if group.group.since else 0
    since = paused_members(rung, jobs)
    share = (1 - _share(before, since.epoch, group)) * len(jobs) / len(group.group.jobs)
    some = replace(group.group, jobs=jobs, since=since, until=None)
    return replace(group, group=some, seconds=group.seconds * share)


def show_halving(console: Console, halving: Halving, plan: Plan) -> None:
    """Print at which epochs a plan's settings are compared, and which runs are not."""
    epochs = rungs(halving.first, halving.factor, max((g.epochs for g in plan.groups), default=0))
    if epochs:
        shown = ", ".join(f"{e:,}" for e in epochs[:FEW]) + (", …" if len(epochs) > FEW else "")
        console.print(
            f"halved: at epochs {shown} one of {halving.factor:g} settings goes on, so the sweep "
            "takes less time than the plan says\n", soft_wrap=True,
        )  # fmt: skip
    if plan.alone:
        console.print(f"{runs(len(plan.alone))} that go alone are not halved\n", soft_wrap=True)
