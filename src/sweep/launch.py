"""A sweep from its override lists to its summary: plan, train, store, report back."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from src.check import Refused, folders_of, no_experiment
from src.engines.cohort import Interrupted
from src.errors import InputError
from src.result import git_state, versions
from src.sweep.contents import contents
from src.sweep.directories import write_directories
from src.sweep.events import write_sweep_events
from src.sweep.execute import Bars, Notify, Stop, execute
from src.sweep.expand import Expander, Job
from src.sweep.files import write_whole
from src.sweep.keys import sweep_settings, swept_keys
from src.sweep.lock import locked
from src.sweep.overlays import MOST, draw_overlays
from src.sweep.plan import Plan, make_plan
from src.sweep.prepare import Means, Ready, find_means, prepare
from src.sweep.ranking import metric_of, rank
from src.sweep.show import first_error, runs, show_plan, show_summary
from src.sweep.store import Store
from src.sweep.verify import verify
from src.terminal import new_console


@dataclass
class Launched:
    """What a launch hands back. code: 1 where a run failed, or the verification did."""

    jobs: list[JobReturn]
    code: int = 0


def launch(
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int,
    console: Console | None = None, notify: Notify | None = None, command: str | None = None,
) -> Launched:  # fmt: skip
    """Hydra's launcher: the jobs' final losses, in their order.

    master: the multirun's config. first: the number of the first job. console: the terminal's,
    unless given. notify: told the share that is done, and of what. command: what was called, the
    process's own unless given. Raises Refused for input
    that is wrong for the whole sweep, SystemExit(130) after Ctrl-C. A run that fails is a row
    and a NaN: a sweeper that asks again must not lose its other trials.
    """
    setup_globals()
    try:
        return _launch(
            master, context, lists, first, console or new_console(), notify, command or _command()
        )
    except InputError as error:
        raise Refused(error) from error
    except OSError as error:
        raise Refused(
            InputError(
                f"{error.filename or master.hydra.sweep.dir}: {error.strerror or error}\n"
                "What was stored before is whole; the same command goes on from there."
            )
        ) from error


def _launch(
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int,
    console: Console, notify: Notify | None, command: str,
) -> Launched:  # fmt: skip
    sweep = sweep_settings(master, lists)
    directory = Path(str(master.hydra.sweep.dir))
    if master.hydra.runtime.choices.get("experiment") is None and not any(
        o.lstrip("+").startswith(("experiment=", "data=")) for o in lists[0]
    ):
        raise no_experiment(folders_of(master.hydra))
    jobs = Expander(master, context.config_loader).expand(lists, first)
    whole = _is_whole_grid(master)
    _refuse_if_all_fail(jobs, whole)
    store = Store(directory)
    experiments = sorted({str(job.settings()["name"]) for job in jobs if job.error is None})
    store.refuse_other(experiments)
    contents(store, jobs)  # refused before the plan, not after
    parts = store.parts()
    means = find_means(sweep)
    plan = make_plan(jobs, store.done())
    ready = prepare(plan, means, sweep["dry_run"])
    _refuse_if_all_fail(jobs, whole)
    show_plan(console, plan, ready, means, directory, sweep["directories"])
    if sweep["dry_run"]:
        console.print("sweep.dry_run=true: nothing was trained or written")
        return Launched([])
    with locked(directory):
        if store.parts() != parts or Store(directory).about != store.about:
            raise InputError(f"sweep.dir={directory} was changed by another process while this one "
                             "planned.\nFix: the same command again")  # fmt: skip
        _begin(store, master, jobs, experiments, console, command)
        try:
            stopped = _train(store, plan, ready, means, sweep, Bars(console, notify))
            code = max(stopped, _conclude(store, jobs, sweep, console))
        except (Interrupted, KeyboardInterrupt):  # the latter while it concludes
            kept = len(store.read(columns=["run_id"]))
            message = (f"\ninterrupted: {kept:,} runs are stored. To go on from there, repeat the "
                       f"command with sweep.dir={directory}")  # fmt: skip
            console.print(message, style="bold red", soft_wrap=True)
            raise SystemExit(130) from None
    if plan.failed:
        message = f"\nfailed: {first_error(plan.failed)}"
        console.print(message, style="bold red", soft_wrap=True)
        code = max(code, 1)
    sys.stdout.flush()
    return Launched(_returns(store, jobs), code)


def _is_whole_grid(master: DictConfig) -> bool:
    """Whether this launch has all jobs of the sweep, so that all of them can be refused."""
    grid = str(master.hydra.sweeper.get("_target_")).rpartition(".")[2]
    at_once = master.hydra.sweeper.get("max_batch_size") is None
    return at_once and grid in ("BatchedSweeper", "BasicSweeper")


def _refuse_if_all_fail(jobs: Sequence[Job], whole: bool) -> None:
    failed = [job for job in jobs if job.error is not None]
    if whole and failed and len(failed) == len(jobs):
        raise InputError(first_error(failed))


def _begin(
    store: Store, master: DictConfig, jobs: Sequence[Job], experiments: Sequence[str],
    console: Console, command: str,
) -> None:  # fmt: skip
    write_whole(store.directory / "multirun.yaml", lambda path: OmegaConf.save(master, path))
    for path in store.heal():
        console.print(f"{path} was corrupt: moved to {store.directory / 'corrupt'}, and its runs "
                      "are trained again", style="bold red", soft_wrap=True)  # fmt: skip
    numbers: dict[str, int] = {}
    for job in jobs:
        numbers.setdefault(job.identity, job.number)
    swept, fixed = swept_keys(jobs, store)
    store.begin(
        experiments, swept, numbers, fixed=fixed, command=command,
        date=datetime.now().astimezone().isoformat(timespec="seconds"), versions=versions(),
        git=git_state(), tables=contents(store, jobs),
    )  # fmt: skip


def _command() -> str:
    """As it was typed: Python gives the file of a module that was run by its name."""
    program, *words = sys.argv
    is_ours = Path(program).name == "train.py"
    return shlex.join(["python", "-m", "src.train", *words] if is_ours else sys.argv)


def _train(
    store: Store, plan: Plan, ready: Sequence[Ready], means: Means, sweep: Mapping[str, Any],
    bars: Bars,
) -> int:  # fmt: skip
    """The exit code so far. Raises Interrupted."""
    began, count, before = time.perf_counter(), plan.todo, store.trained()
    try:
        execute(plan, ready, store, means, bars, sweep["fail_fast"])
    except Stop:
        bars.console.print("sweep.fail_fast=true: stopped at the first run that failed")
        return 1
    finally:
        seconds = time.perf_counter() - began
        trained = store.trained() - before
        if trained:
            store.note_training(trained, seconds)
    if count:
        rate = count / seconds
        pace = f"{rate:.0f} runs a second" if rate >= 2 else f"{1 / rate:.1f} s a run"
        bars.console.print(f"trained {runs(count)} in {seconds:.1f} s, {pace}")
    return 0


def _conclude(store: Store, jobs: Sequence[Job], sweep: Mapping[str, Any], console: Console) -> int:
    """Directories, pictures, verification, summary. The exit code."""
    table = store.read()
    write_directories(store, table, jobs, sweep["directories"], console)
    metric = metric_of(table)
    ranked = [] if metric is None else rank(table, list(store.swept), metric)
    show_summary(console, table, ranked, metric)
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


def _returns(store: Store, jobs: Sequence[Job]) -> list[JobReturn]:
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
