"""A sweep from its override lists to its summary: plan, train, store, report back."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from src.check import Refused, folders_of, no_experiment
from src.console import new_console
from src.engines.cohort import Interrupted
from src.errors import InputError
from src.result import git_state, versions
from src.sweep.contents import contents
from src.sweep.directories import write_directories
from src.sweep.execute import Stop, execute
from src.sweep.expand import Expander, Job
from src.sweep.files import write_whole
from src.sweep.lock import locked
from src.sweep.outcomes import given_values
from src.sweep.overlays import MOST, draw_overlays
from src.sweep.plan import Plan, make_plan
from src.sweep.prepare import Means, Ready, find_means, prepare
from src.sweep.ranking import metric_of, rank
from src.sweep.show import first_error, runs, show_plan, show_summary
from src.sweep.store import Store
from src.sweep.tables import value_of
from src.sweep.verify import verify
from src.values import check_value

OF_THE_SWEEP = ("sweep", "engine")


@dataclass
class Launched:
    """What a launch hands back. code: 1 where a run failed, or the verification did."""

    jobs: list[JobReturn]
    code: int = 0


def launch(
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int
) -> Launched:
    """Hydra's launcher: the jobs' final losses, in their order.

    master: the multirun's config. first: the number of the first job. Raises Refused for input
    that is wrong for the whole sweep, SystemExit(130) after Ctrl-C. A run that fails is a row
    and a NaN: a sweeper that asks again must not lose its other trials.
    """
    setup_globals()
    try:
        return _launch(master, context, lists, first)
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
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int
) -> Launched:
    sweep = _sweep_settings(master, lists)
    console = new_console()
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
        _begin(store, master, jobs, experiments, console)
        try:
            stopped = _train(store, plan, ready, means, sweep, console)
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


def _sweep_settings(master: DictConfig, lists: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The settings below `sweep`, which one sweep has only once. Raises InputError."""
    for word in OF_THE_SWEEP:
        given = {o for overrides in lists for o in overrides
                 if o.lstrip("+~").partition("=")[0].split(".")[0] == word}  # fmt: skip
        for key in sorted({o.partition("=")[0] for o in given}):
            values = sorted(o.partition("=")[2] for o in given if o.partition("=")[0] == key)
            if len(values) > 1:
                raise InputError(
                    f"{key} is a setting of the whole sweep: it takes one value, not "
                    f"{', '.join(values)}.\nFix: {key}={values[0]}"
                )
    found = OmegaConf.to_container(master.sweep, resolve=True)
    assert isinstance(found, dict)
    for key, value in found.items():
        check_value(f"sweep.{key}", value)
    return {str(key): value for key, value in found.items()}


def _refuse_if_all_fail(jobs: Sequence[Job], whole: bool) -> None:
    failed = [job for job in jobs if job.error is not None]
    if whole and failed and len(failed) == len(jobs):
        raise InputError(first_error(failed))


def _begin(
    store: Store, master: DictConfig, jobs: Sequence[Job], experiments: Sequence[str],
    console: Console,
) -> None:  # fmt: skip
    write_whole(store.directory / "multirun.yaml", lambda path: OmegaConf.save(master, path))
    for path in store.heal():
        console.print(f"{path} was corrupt: moved to {store.directory / 'corrupt'}, and its runs "
                      "are trained again", style="bold red", soft_wrap=True)  # fmt: skip
    numbers: dict[str, int] = {}
    for job in jobs:
        numbers.setdefault(job.identity, job.number)
    swept, fixed = _swept(jobs, store)
    store.begin(
        experiments, swept, numbers, fixed=fixed,
        command=shlex.join(sys.argv), versions=versions(), git=git_state(),
        tables=contents(store, jobs),
    )  # fmt: skip


def _swept(jobs: Sequence[Job], store: Store) -> tuple[dict[str, set[type]], dict[str, str]]:
    """The keys whose values differ, with the types of their values; and those that do not.

    They differ between these jobs, or between them and the runs that are stored: given before
    and not now, or now and not before, or otherwise than before.
    """
    given: dict[str, set[str]] = {}
    for job in jobs:
        for override in job.own_overrides:
            given.setdefault(override.lstrip("+~").partition("=")[0], set()).add(override)
    fixed = {key: min(values) for key, values in given.items() if len(values) == 1}
    before: dict[str, str] = store.about.get("fixed", {})
    known = set(before) | set(store.about["swept"])
    keys = [key for key in given if key not in fixed]
    if store.about["jobs"]:
        keys += [k for k in fixed if before.get(k) != fixed[k] and k not in keys]
        keys += [k for k in known if k not in given and k not in keys]
    keys = [key for key in keys if key not in OF_THE_SWEEP]
    types: dict[str, set[type]] = {key: set() for key in keys}
    for job in jobs:
        config = given_values(job) if job.error is not None else job.settings()
        choices = config if job.error is not None else job.choices
        for key in keys:
            types[key].add(type(value_of(key, config, choices)))
    return types, {key: text for key, text in fixed.items() if key not in keys}


def _train(
    store: Store, plan: Plan, ready: Sequence[Ready], means: Means, sweep: Mapping[str, Any],
    console: Console,
) -> int:  # fmt: skip
    """The exit code so far. Raises Interrupted."""
    began, count = time.perf_counter(), plan.todo
    try:
        execute(plan, ready, store, means, console, sweep["fail_fast"])
    except Stop:
        console.print("sweep.fail_fast=true: stopped at the first run that failed")
        return 1
    seconds = time.perf_counter() - began
    if count:
        rate = count / seconds
        pace = f"{rate:.0f} runs a second" if rate >= 2 else f"{1 / rate:.1f} s a run"
        console.print(f"trained {runs(count)} in {seconds:.1f} s, {pace}")
    return 0


def _conclude(store: Store, jobs: Sequence[Job], sweep: Mapping[str, Any], console: Console) -> int:
    """Directories, pictures, verification, summary. The exit code."""
    table = store.read()
    write_directories(store, table, jobs, sweep["directories"], console)
    metric = metric_of(table)
    ranked = [] if metric is None else rank(table, list(store.swept), metric)
    show_summary(console, table, ranked, metric)
    pictures = draw_overlays(store, table, ranked, metric)
    code = verify(store, jobs, sweep["verify"], console) if sweep["verify"] else 0
    where = store.directory
    console.print(f"sweep directory: {where}", soft_wrap=True)
    console.print(f"tables:          {where}/runs/*.parquet  {where}/curves/*.parquet",
                  soft_wrap=True)  # fmt: skip
    if pictures:
        console.print("pictures:        " + "  ".join(map(str, pictures)), soft_wrap=True)
    elif len(ranked) > MOST:
        console.print(f"pictures:        none of {len(ranked)} settings; up to {MOST} are drawn")
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
