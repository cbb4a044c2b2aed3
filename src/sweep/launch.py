"""A sweep from its override lists to its summary: plan, train, store, report back."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from src.check import Refused, folders_of, no_experiment
from src.console import new_console
from src.engines.cohort import Interrupted
from src.errors import InputError
from src.result import git_state, versions
from src.sweep.directories import write_directories
from src.sweep.execute import Stop, execute
from src.sweep.expand import Expander, Job
from src.sweep.files import write_whole
from src.sweep.lock import locked
from src.sweep.outcomes import given, identity
from src.sweep.overlays import draw_overlays
from src.sweep.plan import Plan, make_plan
from src.sweep.prepare import Ready, find_means, prepare
from src.sweep.ranking import metric_of, rank
from src.sweep.show import first_error, runs, show_plan, show_summary
from src.sweep.store import Store
from src.sweep.tables import value_of
from src.sweep.verify import verify
from src.values import check_value

OF_THE_SWEEP = ("sweep", "engine")


def launch(
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Hydra's launcher: the jobs' final losses, in their order.

    master: the multirun's config. first: the number of the first job. Raises Refused for input
    that is wrong for the whole sweep, SystemExit(130) after Ctrl-C, and SystemExit(1) where a
    run failed or the verification did.
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
) -> list[JobReturn]:
    sweep = _sweep_settings(master, lists)
    console = new_console()
    directory = Path(str(master.hydra.sweep.dir))
    if master.hydra.runtime.choices.get("experiment") is None and not any(
        "experiment=" in o for o in lists[0]
    ):
        raise no_experiment(folders_of(master.hydra))
    jobs = Expander(master, context.config_loader).expand(lists, first)
    _refuse_if_all_fail(jobs)
    store = Store(directory)
    experiments = sorted({str(job.settings()["name"]) for job in jobs if job.error is None})
    store.refuse_other(experiments)
    done = store.done()
    means = find_means(sweep)
    plan = make_plan(jobs, done)
    ready = prepare(plan, means)
    _refuse_if_all_fail(jobs)
    show_plan(console, plan, ready, means, directory, sweep["directories"])
    if sweep["dry_run"]:
        console.print("sweep.dry_run=true: nothing was trained or written")
        return []
    with locked(directory):
        if store.done() != done:
            raise InputError(f"sweep.dir={directory} was changed by another process while this one "
                             "planned.\nFix: the same command again")  # fmt: skip
        _begin(store, master, jobs, plan, ready, experiments, console)
        code = _train(store, plan, ready, means, sweep, console, directory)
        code = max(code, _conclude(store, jobs, sweep, console))
    if plan.failed:
        console.print(f"\nfailed: {first_error(plan.failed)}", style="bold red", soft_wrap=True)
        code = max(code, 1)
    if code:
        sys.stdout.flush()
        raise SystemExit(code)
    return _returns(store, jobs)


def _sweep_settings(master: DictConfig, lists: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The settings below `sweep`, which one sweep has only once. Raises InputError."""
    for word in OF_THE_SWEEP:
        given = {o for overrides in lists for o in overrides
                 if o.lstrip("+~").partition("=")[0].split(".")[0] == word}  # fmt: skip
        keys = {o.partition("=")[0] for o in given}
        if len(given) > len(keys):
            values = ", ".join(sorted(o.partition("=")[2] for o in given))
            raise InputError(
                f"{min(keys)} is a setting of the whole sweep: it takes one value, not {values}"
            )
    found = OmegaConf.to_container(master.sweep, resolve=True)
    assert isinstance(found, dict)
    for key, value in found.items():
        check_value(f"sweep.{key}", value)
    return {str(key): value for key, value in found.items()}


def _refuse_if_all_fail(jobs: Sequence[Job]) -> None:
    failed = [job for job in jobs if job.error is not None]
    if failed and len(failed) == len(jobs):
        raise InputError(first_error(failed))


def _begin(
    store: Store, master: DictConfig, jobs: Sequence[Job], plan: Plan, ready: Sequence[Ready],
    experiments: Sequence[str], console: Console,
) -> None:  # fmt: skip
    write_whole(store.directory / "multirun.yaml", lambda path: OmegaConf.save(master, path))
    for path in store.heal():
        console.print(f"{path} was corrupt: moved to {store.directory / 'corrupt'}, and its runs "
                      "are trained again", style="bold red", soft_wrap=True)  # fmt: skip
    store.begin(
        experiments,
        _swept(jobs),
        {identity(job): job.number for job in jobs},
        command=" ".join(sys.argv),
        versions=versions(),
        git=git_state(),
    )


def _swept(jobs: Sequence[Job]) -> dict[str, set[type]]:
    """The keys whose values differ between jobs, and the types of their values."""
    different: dict[str, set[str]] = {}
    for job in jobs:
        for override in job.overrides:
            different.setdefault(override.lstrip("+~").partition("=")[0], set()).add(override)
    keys = [key for key, given in different.items() if len(given) > 1]
    types: dict[str, set[type]] = {key: set() for key in keys}
    for job in jobs:
        config = given(job) if job.error is not None else job.settings()
        choices = config if job.error is not None else job.choices
        for key in keys:
            types[key].add(type(value_of(key, config, choices)))
    return types


def _train(
    store: Store, plan: Plan, ready: Sequence[Ready], means: Any, sweep: Mapping[str, Any],
    console: Console, directory: Path,
) -> int:  # fmt: skip
    """The exit code so far."""
    began, count = time.perf_counter(), plan.todo
    try:
        execute(plan, ready, store, means, console, sweep["fail_fast"])
    except Interrupted:
        kept = len(store.read(columns=["run_id"]))
        console.print(
            f"\ninterrupted: {kept:,} runs are stored. To go on from there, repeat the command "
            f"with sweep.dir={directory}",
            style="bold red", soft_wrap=True,
        )  # fmt: skip
        raise SystemExit(130) from None
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
    return code


def _returns(store: Store, jobs: Sequence[Job]) -> list[JobReturn]:
    """What Hydra's sweepers read: a job's final val/loss, or train/loss; NaN where it has none."""
    table = store.read()
    metric = metric_of(table)
    losses = {} if metric is None else dict(zip(table["run_id"], table[metric], strict=True))
    found = []
    for job in jobs:
        loss = losses.get(identity(job))
        given = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
        given.return_value = float("nan") if loss is None else loss
        found.append(given)
    return found
