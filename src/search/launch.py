"""The door: from Hydra's master config to a search in a sweep's directory."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from src import conf_files
from src.check import folders_of, without_hydra
from src.errors import InputError
from src.overrides import key_of
from src.result import NO_NUMBER
from src.search.limits import refuse_missing, refuse_space
from src.search.objective import Outcome
from src.search.present import Present
from src.search.space import Space, space_of
from src.sweep.bars import Notify
from src.sweep.expand import Job
from src.sweep.launch import refuse_nothing, typed_command
from src.sweep.plan import longest
from src.sweep.refusing import refusing
from src.sweep.rungs import check_halving
from src.sweep.session import Planned, Session
from src.sweep.together import Stop
from src.terminal import new_console
from src.values import check_value

if TYPE_CHECKING:
    from src.search.study import Search  # Optuna, which may not be installed


def launch_search(
    master: DictConfig, context: HydraContext, arguments: Sequence[str],
    console: Console | None = None, notify: Notify | None = None, command: str | None = None,
) -> int:  # fmt: skip
    """Search, and conclude; the exit code.

    master: the multirun's config. arguments: overrides, some of them ranges. console, notify,
    command: as of `src.sweep.launch`. Raises Refused for input that is wrong for the whole
    search, SystemExit(130) after Ctrl-C.
    """
    setup_globals()
    with refusing(master.hydra.sweep.dir):
        settings = _settings(master)
        refuse_nothing(master, arguments)
        groups = conf_files.groups(folders_of(master.hydra))
        space = space_of(arguments, context.config_loader, groups)
        session = Session(
            master, context, console or new_console(), command or typed_command(), notify
        )
        return _search(session, space, settings)


def _settings(master: DictConfig) -> dict[str, Any]:
    """Those below `search`. Raises InputError."""
    found: Any = OmegaConf.to_container(master.search, resolve=True)
    for key, value in found.items():
        check_value(f"search.{key}", value)
    trials, seeds, most = found["trials"], found["seeds"], master.sweep.max_runs
    if found["objective"] == "bound" and seeds < 2:
        raise InputError("search.objective=bound needs the spread over seeds, and search.seeds="
                         f"{seeds}.\nFix: search.seeds=8, or search.objective=median")  # fmt: skip
    if trials * seeds > most:
        raise InputError(
            f"search.trials={trials} of {seeds} seeds are {trials * seeds:,} runs, more than "
            f"sweep.max_runs={most}.\nFix: sweep.max_runs={trials * seeds}"
        )
    if master.hydra.sweeper.get("max_batch_size") is not None:
        raise InputError("hydra.sweeper.max_batch_size is for a sweep.\nFix: search.batch=64")
    if not str(master.hydra.launcher.get("_target_")).endswith(".BatchedLauncher"):
        raise InputError("hydra/sweeper=search trains by itself, and needs no other launcher.\n"
                         "Fix: without hydra/launcher=…")  # fmt: skip
    refuse_missing(found["sampler"])
    return found


def _search(session: Session, space: Space, settings: Mapping[str, Any]) -> int:
    from src.search.loop import run_search  # Optuna, which may not be installed
    from src.search.measure import find_measure
    from src.search.show import show_best
    from src.search.study import Search, Settings

    present = Present(space, lambda o: _composed(session, o), session.expander.folders)
    refuse_space(settings["sampler"], space, present.conditional)
    measure = find_measure(settings["metric"], space, present,
                           lambda o: session.expander.expand([o])[0])  # fmt: skip
    whole = Settings(**{**settings, "metric": measure.name}, high=measure.high,
                     baseline=measure.baseline)  # fmt: skip
    about = {key_of(k): o.removeprefix(f"{k}=") for k, o in space.fixed.items()
             if _counts(key_of(k))}  # fmt: skip
    make = partial(Search, session.directory, space, present, whole, about)
    first = _first_batch(session, make)
    if session.settings["dry_run"]:
        session.show(first.planned)
        session.console.print("sweep.dry_run=true: nothing was trained or written")
        return 0
    with session.held():
        session.refuse_changed(first.planned)
        search = make()
        session.metric = measure.name  # which halving ranks by, too
        train = _Trainer(session, measure.name, first)
        try:
            failed = run_search(search, train, session.console)
        except Stop:
            failed = 1
        code = session.conclude(train.jobs, is_ranked=False)
        show_best(session.console, search)
    return max(code, min(failed, 1))


@dataclass(frozen=True)
class _First:
    """The batch that a search begins with. lists: the overrides of its runs."""

    lists: list[list[str]]
    planned: Planned


def _first_batch(session: Session, make: Callable[[Path], "Search"]) -> _First:
    """Drawn in a copy of the study, so that nothing is held or written if it is refused.

    Shows the space. make: the search with its study in a file. Raises InputError.
    """
    from src.search.show import show_space
    from src.search.study import FILE

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        if (session.directory / FILE).exists():
            shutil.copy(session.directory / FILE, file)
        search = make(file)
        asked = search.batch()
        lists = search.lists(asked)
        first = asked[0].number * search.settings.seeds if asked else 0
        planned = session.plan(lists, first, whole=False)
        _refuse_short(session, search.space, planned)
        show_space(session.console, search)
    return _First(lists, planned)


def _refuse_short(session: Session, space: Space, planned: Planned) -> None:
    """Raises InputError where no trial that may come reaches the first rung of halving."""
    epochs = [longest(planned.jobs)]
    for parameter in space.parameters:
        if parameter.name == "trainer.max_epochs":
            epochs += [int(float(end)) for end in parameter.ends]
    if max(epochs):
        check_halving(session.settings["halving"], max(epochs))


def _composed(session: Session, overrides: Sequence[str]) -> Mapping[str, Any]:
    found = session.expander.compose(list(overrides))
    if isinstance(found, str):
        raise InputError(found)
    plain: Any = OmegaConf.to_container(without_hydra(found), resolve=False)
    return plain


def _counts(name: str) -> bool:
    """Whether a setting can change a number of the runs."""
    section = name.partition(".")[0]
    is_hydra = section.partition("/")[0] == "hydra"
    return not is_hydra and section not in NO_NUMBER and name not in NO_NUMBER


@dataclass
class _Trainer:
    """Trains override lists in a session, and says how each run ended. begin: planned already.

    Raises Interrupted, and Stop after a failure with sweep.fail_fast.
    """

    session: Session
    metric: str
    begin: _First
    jobs: list[Job] = field(default_factory=list)

    def __call__(self, lists: list[list[str]], first: int) -> list[Outcome]:
        is_begin = not self.jobs and lists == self.begin.lists
        planned = self.begin.planned if is_begin else self.session.plan(lists, first, whole=False)
        if not self.jobs:
            self.session.show(planned)
        self.jobs += planned.jobs
        if self.session.train(planned):
            raise Stop
        self.session.say_failed(planned.plan)
        columns = ["run_id", "job", "status", "message", "epochs", self.metric]
        table = self.session.store.read(columns=columns)
        rows = {row["run_id"]: row for row in table.iter_rows(named=True)}
        return [self._outcome(rows[job.identity]) for job in planned.jobs]

    def _outcome(self, row: Mapping[str, Any]) -> Outcome:
        value, message = row.get(self.metric), row.get("message")
        if row["status"] == "completed" and value is None:
            return Outcome("failed", None, row["job"], f"a run that ended has no {self.metric}")
        return Outcome(row["status"], value, row["job"], message, row.get("epochs"))
