"""One command at work on a sweep's directory: batches of jobs, trained into one store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from src.engines.cohort import Interrupted
from src.errors import InputError
from src.result import git_state, versions
from src.sweep.bars import Bars, Notify, timed
from src.sweep.conclude import conclude, returns
from src.sweep.contents import contents
from src.sweep.execute import execute
from src.sweep.executors.choose import find_cluster
from src.sweep.executors.left import settle
from src.sweep.executors.protocol import Cluster
from src.sweep.expand import Expander, Job
from src.sweep.files import write_whole
from src.sweep.halve import train_by_halving
from src.sweep.keys import executor_settings, refuse_varying, sweep_settings, swept_keys
from src.sweep.lock import locked
from src.sweep.plan import Plan, longest, make_plan
from src.sweep.prepare import Ready, find_means, prepare
from src.sweep.rung_store import latest_rung, remove_rungs
from src.sweep.rungs import Halving, check_batches, check_halving
from src.sweep.show import first_error, show_halving, show_plan
from src.sweep.store import Store
from src.sweep.task import expected_seconds
from src.sweep.together import Stop


@dataclass(frozen=True)
class Planned:
    """A batch of jobs, and what is to be done with them. parts: of the store, when it was read."""

    jobs: list[Job]
    plan: Plan
    ready: list[Ready]
    experiments: list[str]
    parts: list[str]


class Session:
    """What a command needs to train jobs into a store, whichever they are.

    master: the multirun's config. context: Hydra's. command: what was called. notify: told the
    share of a batch that is done, and of what. Raises InputError for settings that cannot be.
    """

    def __init__(
        self, master: DictConfig, context: HydraContext, console: Console, command: str,
        notify: Notify | None = None,
    ) -> None:  # fmt: skip
        self.master, self.console, self.command, self.notify = master, console, command, notify
        self.settings: dict[str, Any] = sweep_settings(master)
        halving = self.settings["halving"]
        self.halving = None if halving is None else Halving(**halving)
        check_batches(halving, master.hydra.sweeper.get("max_batch_size"))
        self.expander = Expander(master, context.config_loader)
        self.store = Store(Path(str(master.hydra.sweep.dir)))
        if not self.settings["dry_run"]:
            settle(self.directory)
        where = executor_settings(master)
        self.cluster = find_cluster(where, self.settings)
        # The machine that plans for a cluster may have no GPU.
        here = self.settings if self.cluster is None else self.settings | {"device": "cpu"}
        self.means = find_means(here, where.get("workers"))
        self.opened: str | None = None
        self.metric: str | None = None  # to rank by, where it is not the loss

    @property
    def directory(self) -> Path:
        """Of the sweep."""
        return self.store.directory

    def plan(self, lists: Sequence[Sequence[str]], first: int = 0, whole: bool = True) -> Planned:
        """Expand, check and plan override lists, numbered from `first`; nothing is written.

        whole: whether these are all jobs of the sweep, so that it is refused where none can be.
        Raises InputError.
        """
        refuse_varying(lists)
        jobs = self.expander.expand(lists, first)
        if whole:
            _refuse_if_all_fail(jobs)
        experiments = sorted({str(job.settings()["name"]) for job in jobs if job.error is None})
        self.store.refuse_other(experiments)
        contents(self.store, jobs)  # refused before the plan, not after
        if whole and self.halving is not None:  # else not all settings need be looked at
            check_halving(self.settings["halving"], longest(jobs))
        parts = self.store.parts()
        plan = make_plan(jobs, self._done(jobs))
        ready = prepare(plan, self.means, self.settings["dry_run"])
        if whole:
            _refuse_if_all_fail(jobs)
        return Planned(jobs, plan, ready, experiments, parts)

    def _done(self, jobs: Sequence[Job]) -> set[str]:
        """The runs that need no training."""
        done = self.store.done()
        if self.halving is not None:
            halved = done | self.store.stopped()
            if {job.run_id for job in jobs if job.error is None} <= halved:
                return halved
            # With others beside them, those that were stopped are in the race again.
        return done

    def show(self, planned: Planned) -> None:
        """The plan, as a table."""
        show_plan(
            self.console, planned.plan, planned.ready, self.means, self.directory,
            self.settings["directories"],
        )  # fmt: skip
        if self.halving is not None and planned.plan.todo:
            show_halving(self.console, self.halving, planned.plan)
        if self.cluster is not None and not self._goes_out(planned):
            self.console.print(
                f"executor.stay_local={self.cluster.stay_local:g}: this sweep takes less on one "
                "core, so it is trained here\n", soft_wrap=True,
            )  # fmt: skip

    def _goes_out(self, planned: Planned) -> bool:
        """Whether a batch is trained by the cluster."""
        if self.cluster is None or planned.plan.todo == 0:
            return False
        is_worth_it = expected_seconds(planned.plan, planned.ready) >= self.cluster.stay_local
        return is_worth_it or self.settings["device"] != self.means.device

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory; Ctrl-C is told how to go on, and becomes SystemExit(130)."""
        with locked(self.directory):
            try:
                yield
            except (Interrupted, KeyboardInterrupt):
                kept = f"{len(self.store.read(columns=['run_id'])):,} runs are stored"
                if (rung := latest_rung(self.store)) is not None:
                    kept += f", {rung[1]:,} have come to epoch {rung[0]:,}"
                self.console.print(
                    f"\ninterrupted: {kept}. To go on from there, repeat the "
                    f"command with sweep.dir={self.directory}",
                    style="bold red", soft_wrap=True,
                )  # fmt: skip
                raise SystemExit(130) from None
            finally:
                if self.cluster is not None:
                    self.cluster.close()

    def refuse_changed(self, planned: Planned) -> None:
        """Raises InputError where another process has written since the plan was made."""
        is_other = self.store.parts() != planned.parts
        if is_other or Store(self.directory).about != self.store.about:
            raise InputError(
                f"sweep.dir={self.directory} was changed by another process while this one "
                "planned.\nFix: the same command again"
            )

    def train(self, planned: Planned) -> int:
        """Train and store a batch; the directory is held. The exit code so far.

        Raises InputError where the cluster cannot, Interrupted after Ctrl-C, OSError where the
        disk is full.
        """
        cluster = self.cluster if self._goes_out(planned) else None
        if cluster is not None and self.opened is None:
            self.opened = cluster.open(self.directory)  # refused before anything is written
            self.console.print(f"on {self.opened}\n", soft_wrap=True)
        self._begin(planned)
        try:
            with timed(self.store, planned.plan.todo, self.console):
                self._train(planned, cluster)
        except Stop:
            self.console.print("sweep.fail_fast=true: stopped at the first run that failed")
            return 1
        return 0

    def _train(self, planned: Planned, cluster: Cluster | None) -> None:
        def train(plan: Plan, ready: Sequence[Ready], store: Store) -> None:
            bars = Bars(self.console, self.notify)
            execute(plan, ready, store, self.means, bars, self.settings["fail_fast"], cluster)

        if self.halving is None:
            train(planned.plan, planned.ready, self.store)
            remove_rungs(self.store)  # of a halved sweep that did not come to its end
        else:
            train_by_halving(
                planned.plan, planned.ready, self.store, planned.jobs, self.halving, train,
                self.console, self.metric,
            )  # fmt: skip

    def conclude(self, jobs: Sequence[Job], is_ranked: bool = True) -> int:
        """Directories, pictures, verification, summary of the whole store. The exit code."""
        return conclude(self.store, jobs, self.settings, self.console, is_ranked)

    def returns(self, jobs: Sequence[Job]) -> list[JobReturn]:
        """What Hydra's sweepers read."""
        return returns(self.store, jobs)

    def say_failed(self, plan: Plan) -> int:
        """The first message of runs that failed, if any did. The exit code."""
        if not plan.failed:
            return 0
        message = f"\nfailed: {first_error(plan.failed)}"
        self.console.print(message, style="bold red", soft_wrap=True)
        return 1

    def _begin(self, planned: Planned) -> None:
        store, jobs = self.store, planned.jobs
        path = store.directory / "multirun.yaml"
        write_whole(path, lambda path: OmegaConf.save(self.master, path))
        for path in store.heal():
            self.console.print(
                f"{path} was corrupt: moved to {store.directory / 'corrupt'}, and its runs are "
                "trained again", style="bold red", soft_wrap=True,
            )  # fmt: skip
        numbers: dict[str, int] = {}
        for job in jobs:
            numbers.setdefault(job.identity, job.number)
        swept, fixed = swept_keys(jobs, store)
        store.begin(
            planned.experiments, swept, numbers, fixed=fixed, command=self.command,
            date=datetime.now().astimezone().isoformat(timespec="seconds"), versions=versions(),
            git=git_state(), tables=contents(store, jobs),
        )  # fmt: skip


def _refuse_if_all_fail(jobs: Sequence[Job]) -> None:
    failed = [job for job in jobs if job.error is not None]
    if failed and len(failed) == len(jobs):
        raise InputError(first_error(failed))
