"""A command's work in a sweep's directory: it plans batches of jobs and trains them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from small_nets.config.errors import InputError
from small_nets.config.grammar_quoting import override
from small_nets.config.overrides import key_of
from small_nets.config.success_rule import read_rule
from small_nets.config.sweep_settings import section
from small_nets.engines.cohort import Interrupted
from small_nets.run.outputs.directory_lock import locked
from small_nets.run.outputs.provenance import MARK
from small_nets.run.outputs.result import git_state, versions
from small_nets.run.terminal.tables import warn
from small_nets.sweep.cohorts.prepare import Ready, find_means, prepare
from small_nets.sweep.confirmation.jobs import refuse_without_seeds
from small_nets.sweep.executors.dispatch import execute
from small_nets.sweep.executors.orphans import cancel_orphans
from small_nets.sweep.executors.protocol import Cluster
from small_nets.sweep.executors.select import find_cluster
from small_nets.sweep.halving.checks import check_batches, check_halving
from small_nets.sweep.halving.rung_store import latest_rung, remove_rungs
from small_nets.sweep.halving.rungs import Halving
from small_nets.sweep.halving.train import show_halving, train_by_halving
from small_nets.sweep.jobs.expand import Expander, Job
from small_nets.sweep.jobs.plan import Plan, longest, make_plan
from small_nets.sweep.jobs.whole_sweep import (
    check_rules,
    first_error,
    refuse_if_all_fail,
    refuse_varying,
    rows_left_out,
    swept_keys,
    table_digests,
)
from small_nets.sweep.planned import Planned
from small_nets.sweep.results.conclude import Concluded, conclude
from small_nets.sweep.results.run_directories import MULTIRUN, PICTURES, refuse_in_the_way
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.summary import show_plan
from small_nets.sweep.store.manifest import CORRUPT
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.sweep_file import refuse_other
from small_nets.sweep.training.in_process import Stop
from small_nets.sweep.training.progress import Bars, Notify, timed
from small_nets.sweep.training.task import expected_seconds
from small_nets.system.atomic_file import write_whole
from small_nets.system.signals import at_end, exit_code


class Session:
    """Plans and trains batches of jobs into one store.

    master: the multirun's config. context: Hydra's. command: the command as it was typed. notify:
    called with the part of a batch that is done, 0 to 1, and what is under way. Raises InputError
    for invalid values of the sections `sweep` and `executor`.
    """

    def __init__(
        self, master: DictConfig, context: HydraContext, console: Console, command: str,
        notify: Notify | None = None,
    ) -> None:  # fmt: skip
        self.master, self.console, self.command, self.notify = master, console, command, notify
        self.settings: dict[str, Any] = section(master, "sweep")
        halving = self.settings["halving"]
        self.halving = Halving(**halving) if halving is not None else None
        check_batches(halving, master.hydra.sweeper.get("max_batch_size"))
        self.expander = Expander(master, context.config_loader)
        self.store = Store(Path(str(master.hydra.sweep.dir)))
        if not self.settings["dry_run"]:
            cancel_orphans(self.directory)
        where = section(master, "executor")
        self.cluster = find_cluster(where, self.settings)
        # A machine that only plans for a cluster needs no GPU.
        here = self.settings if self.cluster is None else self.settings | {"device": "cpu"}
        self.means = find_means(here, where.get("workers"))
        self.opened: str | None = None
        self.standard = Standard("", str(master.rank_by), read_rule(master.success))  # "": the loss

    @property
    def directory(self) -> Path:
        """The sweep's directory."""
        return self.store.directory

    def plan(self, lists: Sequence[Sequence[str]], first: int = 0, whole: bool = True) -> Planned:
        """Expand, check and plan override lists. Nothing is written. first: the first job's number.

        whole: whether these are all jobs. If so, InputError is raised where all are invalid.
        """
        refuse_varying(lists)
        if whole and self.settings["confirm"]:
            several = {key_of(o) for o in set(chain(*lists)) - set(lists[0]).intersection(*lists)}
            refuse_without_seeds([*several, *self.store.swept], "sweep.confirm")
        jobs = self.expander.expand(lists, first)
        if whole:
            refuse_if_all_fail(jobs, self.expander.folders)
        experiments = sorted({str(job.settings()["name"]) for job in jobs if job.error is None})
        refuse_other(self.directory, self.store.about, experiments)
        table_digests(self.store, jobs)  # refuses a changed table before the plan is shown
        check_rules(jobs)
        if whole and self.halving is not None:  # `longest` looks at every job, which takes time
            check_halving(self.settings["halving"], longest(jobs))
        parts = self.store.parts()
        plan = make_plan(jobs, self._done(jobs))
        ready = prepare(plan, self.means, self.settings["dry_run"])
        if whole:
            refuse_if_all_fail(jobs, self.expander.folders)
        return Planned(jobs, plan, ready, experiments, parts)

    def _done(self, jobs: Sequence[Job]) -> set[str]:
        """The run_ids that need no training."""
        done = self.store.done()
        if self.halving is not None:
            halved = done | self.store.stopped()
            if {job.run_id for job in jobs if job.error is None} <= halved:
                return halved
            # New runs compete with those that were stopped before, so these are trained on.
        return done

    def show(self, planned: Planned) -> None:
        """Print the plan."""
        for line in self.expander.dropped:
            self.console.print(line, soft_wrap=True, highlight=False)
        show_plan(self.console, planned.plan, planned.ready, self.means, self.directory,
                  self.settings["directories"])  # fmt: skip
        for note in rows_left_out(planned.jobs):
            warn(self.console, f"{note}\n")
        if self.halving is not None and planned.plan.todo:
            show_halving(self.console, self.halving, planned.plan)
        if self.cluster is not None and not self._goes_out(planned):
            self.console.print(
                f"executor.stay_local={self.cluster.stay_local:g}: this sweep takes less on one "
                "core, so it is trained here\n", soft_wrap=True,
            )  # fmt: skip

    def is_dry(self) -> bool:
        """Whether this is a dry run. Prints so."""
        if self.settings["dry_run"]:
            self.console.print("sweep.dry_run=true: nothing was trained or written")
        return self.settings["dry_run"]

    def _goes_out(self, planned: Planned) -> bool:
        """Whether the cluster trains a batch."""
        if self.cluster is None or planned.plan.todo == 0:
            return False
        is_worth_it = expected_seconds(planned.plan, planned.ready) >= self.cluster.stay_local
        return is_worth_it or self.settings["device"] != self.means.device

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the directory within the block. After Ctrl-C say how to go on; exit with 130."""
        with locked(self.directory), at_end(self._say_interrupted):
            try:
                yield
            except (Interrupted, KeyboardInterrupt):
                self._say_interrupted()
                raise SystemExit(exit_code()) from None
            finally:
                if self.cluster is not None:
                    self.cluster.close()

    def _say_interrupted(self) -> None:
        kept = f"{len(self.store.read(columns=['run_id'])):,} runs are stored"
        if (rung := latest_rung(self.store)) is not None:
            kept += f", {rung[1]:,} have come to epoch {rung[0]:,}"
        warn(self.console, f"\ninterrupted: {kept}. To go on from there, repeat the command with "
             f"{override('sweep.dir', self.directory)}")  # fmt: skip

    def refuse_changed(self, planned: Planned) -> None:
        """Raises InputError where another process has written since the plan was made."""
        is_other = self.store.parts() != planned.parts
        if is_other or Store(self.directory).about != self.store.about:
            raise InputError(
                f"sweep.dir={self.directory} was changed by another process while this one "
                "planned.\nFix: the same command again"
            )

    def train(self, planned: Planned) -> int:
        """Train and store a batch. Lock the directory first. Returns the exit code so far.

        Raises InputError where the cluster cannot train it, Interrupted, OSError.
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
            remove_rungs(self.store)  # left by a halved sweep that was interrupted
        else:
            train_by_halving(
                planned.plan, planned.ready, self.store, planned.jobs, self.halving, train,
                self.console, self.standard,
            )  # fmt: skip

    def conclude(self, jobs: Sequence[Job], is_ranked: bool = True) -> Concluded:
        """Write directories and pictures, verify, print the summary."""
        return conclude(self.store, jobs, self.master, self.console, self.standard, is_ranked)

    def say_failed(self, plan: Plan) -> int:
        """Print the first message of runs that failed. Returns the exit code."""
        if plan.failed:
            warn(self.console, f"\nfailed: {first_error(plan.failed)}")
        return 1 if plan.failed else 0

    def _begin(self, planned: Planned) -> None:
        store, jobs = self.store, planned.jobs
        # Hydra's own sweepers have written multirun.yaml already.
        is_ours = str(self.master.hydra.sweeper.get("_target_")).startswith("hydra_plugins.batched")
        refuse_in_the_way(store, [*PICTURES, *([MULTIRUN] if is_ours else [])])
        if is_ours:
            text = f"# written by {MARK}\n{OmegaConf.to_yaml(self.master)}"
            write_whole(store.directory / MULTIRUN, text)
        for said in store.heal():
            warn(self.console, f"{said}: moved to {store.directory / CORRUPT}; its runs are "
                 "trained again")  # fmt: skip
        numbers: dict[str, int] = {}
        for job in jobs:
            numbers.setdefault(job.identity, job.number)
        swept, fixed = swept_keys(jobs, store)
        store.begin(
            planned.experiments, swept, numbers, fixed=fixed, command=self.command,
            date=datetime.now().astimezone().isoformat(timespec="seconds"), versions=versions(),
            git=git_state(), tables=table_digests(store, jobs), **self.standard.stored(),
        )  # fmt: skip
