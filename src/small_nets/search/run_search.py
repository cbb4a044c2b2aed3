"""A search from its first batch to its best settings: ask, train, tell."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import OmegaConf
from optuna.trial import TrialState
from rich.console import Console

from small_nets.config.check import without_hydra
from small_nets.config.errors import InputError
from small_nets.config.override_values import one_text
from small_nets.config.overrides import key_of
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.run.outputs.identity import NO_NUMBER
from small_nets.run.terminal.tables import warn
from small_nets.search.conditional import ConditionalSpace
from small_nets.search.metric import with_metric
from small_nets.search.objective import Outcome, judge
from small_nets.search.sampler_limits import refuse_space
from small_nets.search.space import Space
from small_nets.search.study import Search
from small_nets.search.summary import show_best, show_progress, show_space
from small_nets.sweep.after import confirm_end
from small_nets.sweep.halving.checks import check_halving
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import longest
from small_nets.sweep.planned import Planned
from small_nets.sweep.results.normalised import unit_of
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import SUCCEEDED, with_success
from small_nets.sweep.session import Session
from small_nets.sweep.training.in_process import Stop

HOPELESS = 10  # trials that fail, and none that does not
# Override lists, and the number of the first -> how each of the runs ended.
Train = Callable[[list[list[str]], int], Sequence[Outcome]]


def search_in(session: Session, space: Space, settings: Mapping[str, Any]) -> int:
    """Search in a session's directory; the exit code. settings: those below `search`."""
    expander = session.expander

    def compose(overrides: Sequence[str]) -> Mapping[str, Any]:
        found = expander.compose(list(overrides))
        if isinstance(found, str):
            raise InputError(found)
        plain: Any = OmegaConf.to_container(without_hydra(found), resolve=False)
        return plain

    if session.settings["race"] is not None:
        raise InputError("sweep.race is for a sweep of every combination, and this is a search.\n"
                         "Fix: search.confirm=5, which trains its best under fresh seeds"
                         )  # fmt: skip
    conditional = ConditionalSpace(space, compose, expander.folders)
    refuse_space(settings["sampler"], space, conditional.conditional)
    whole = with_metric(settings, conditional, lambda o: expander.expand([o])[0])
    about = {key_of(k): one_text(k, o.removeprefix(f"{k}=")) for k, o in space.fixed.items()
             if _counts(key_of(k))}  # fmt: skip
    make = partial(Search, session.directory, conditional, whole, about)
    lists, planned = _first_batch(session, make)
    if session.settings["dry_run"]:
        session.show(planned)
    if session.is_dry():
        return 0
    with session.held():
        session.refuse_changed(planned)
        search = make()
        if search.repaired is not None:
            warn(session.console, search.repaired)
        session.store.about["study"] = search.path.name
        session.standard = whole.standard  # which halving ranks by, too
        train = _Trainer(session, whole.standard, lists, planned)
        try:
            failed = run_search(search, train, session.console)
        except Stop:
            failed = 1
        found = session.conclude(train.jobs, is_ranked=False)
        show_best(session.console, search, _unit(planned, whole.metric))
        confirm_end(session, found, settings)
    return max(found.code, min(failed, 1))


def run_search(search: Search, train: Train, console: Console) -> int:
    """The number of trials that failed. Raises InputError where all of the first ones did.

    What `train` raises ends the search; the trials that it was given are asked already, and the
    next search in this directory trains them first.
    """
    settings, failed = search.settings, _failed(search)
    began = time.perf_counter() - search.seconds
    while asked := search.batch():
        outcomes = train(search.lists(asked), asked[0].number * settings.runs)
        for place, trial in enumerate(asked):
            runs = outcomes[place * settings.runs : (place + 1) * settings.runs]
            verdict = judge(runs, settings.standard, settings.folds)
            search.tell(trial.number, verdict, time.perf_counter() - began)
        show_progress(console, search)
        failed = _failed(search)
        if len(failed) == len(search.trials) >= min(HOPELESS, search.most):
            raise InputError(f"{failed[0]}\n(all {len(failed)} trials fail; this is the first "
                             "message)\nFix: another space, and another sweep.dir")  # fmt: skip
    return len(failed)


def _failed(search: Search) -> list[str]:
    """The messages of the trials that failed."""
    return [t.user_attrs["message"] for t in search.trials if t.state == TrialState.FAIL]


def _first_batch(
    session: Session, make: Callable[[Path], Search]
) -> tuple[list[list[str]], Planned]:
    """The overrides of the runs that a search begins with, and their plan.

    Drawn in a copy of the study, so that nothing is held or written if it is refused. Shows the
    space. make: the search with its study in a file. Raises InputError.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / STUDY
        if (session.directory / STUDY).exists():
            shutil.copy(session.directory / STUDY, file)
        search = make(file)
        batch = search.batch()
        lists = search.lists(batch)
        first = batch[0].number * search.settings.runs if batch else 0
        planned = session.plan(lists, first, whole=False)
        # Refused where no trial that may come reaches the first rung of halving.
        epochs = [longest(planned.jobs)]
        for parameter in search.space.parameters:
            if parameter.name == "trainer.max_epochs":
                epochs += [int(float(end)) for end in parameter.ends]
        if max(epochs):
            check_halving(session.settings["halving"], max(epochs))
        show_space(session.console, search, _unit(planned, search.settings.metric))
    return lists, planned


def _unit(planned: Planned, metric: str) -> str:
    """What is said behind the objective: whether it is of normalised targets."""
    known = (job.settings() for job in planned.jobs if job.error is None)
    return next((unit_of(settings, metric) for settings in known), "")


def _counts(name: str) -> bool:
    """Whether a setting can change a number of the runs."""
    section = name.partition(".")[0]
    is_hydra = section.partition("/")[0] == "hydra"
    return not is_hydra and section not in NO_NUMBER and name not in NO_NUMBER


@dataclass
class _Trainer:
    """Trains override lists in a session, and says how each run ended.

    first: the lists that are planned already, and planned: as what. Raises Interrupted, and Stop
    after a failure with sweep.fail_fast.
    """

    session: Session
    standard: Standard
    first: list[list[str]]
    planned: Planned
    jobs: list[Job] = field(default_factory=list)

    def __call__(self, lists: list[list[str]], first: int) -> list[Outcome]:
        planned = self.planned
        if self.jobs or lists != self.first:
            planned = self.session.plan(lists, first, whole=False)
        if not self.jobs:
            self.session.show(planned)
        self.jobs += planned.jobs
        if self.session.train(planned):
            raise Stop
        self.session.say_failed(planned.plan)
        store, ids = self.session.store, [job.identity for job in planned.jobs]
        table = store.read().filter(pl.col("run_id").is_in(ids))
        if self.standard.by == "success":
            table = with_success(store, table, {None: self.standard.rule})
        rows = {row["run_id"]: row for row in table.iter_rows(named=True)}
        return [self._outcome(rows[job.identity]) for job in planned.jobs]

    def _outcome(self, row: Mapping[str, Any]) -> Outcome:
        metric, message = self.standard.metric, row.get("message")
        value = row.get(metric)
        if row["status"] == "completed" and value is None:
            return Outcome("failed", None, row["job"], f"a run that ended has no {metric}")
        return Outcome(row["status"], value, row["job"], message, row.get("epochs"),
                       row.get(SUCCEEDED))  # fmt: skip
