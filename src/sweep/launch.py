"""Hydra's launcher: a sweep from its override lists to its summary."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig
from rich.console import Console

from src.check import folders_of, no_experiment
from src.errors import InputError
from src.overrides import key_of
from src.sweep.bars import Notify
from src.sweep.refusing import refusing
from src.sweep.session import Session
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
    """The jobs' final losses, in their order.

    master: the multirun's config. first: the number of the first job. console: the terminal's,
    unless given. notify: told the share that is done, and of what. command: what was called, the
    process's own unless given. Raises Refused for input
    that is wrong for the whole sweep, SystemExit(130) after Ctrl-C. A run that fails is a row
    and a NaN: a sweeper that asks again must not lose its other trials.
    """
    setup_globals()
    with refusing(master.hydra.sweep.dir):
        refuse_nothing(master, lists[0])
        _refuse_search(lists[0])
        session = Session(
            master, context, console or new_console(), command or typed_command(), notify
        )
        return _launch(session, lists, first)


def refuse_nothing(master: DictConfig, overrides: Sequence[str]) -> None:
    """Raises InputError where neither an experiment nor data were chosen."""
    if master.hydra.runtime.choices.get("experiment") is None and not any(
        o.lstrip("+").startswith(("experiment=", "data=")) for o in overrides
    ):
        raise no_experiment(folders_of(master.hydra))


def _refuse_search(overrides: Sequence[str]) -> None:
    """Raises InputError for a setting of a search, which this is not."""
    for override in overrides:
        if key_of(override).split(".")[0] == "search":
            raise InputError(f"{override} is for a search, and this is a sweep of every combination"
                             ".\nFix: hydra/sweeper=search, or without it")  # fmt: skip


def _launch(session: Session, lists: Sequence[Sequence[str]], first: int) -> Launched:
    planned = session.plan(lists, first, _is_whole_grid(session.master))
    session.show(planned)
    if session.settings["dry_run"]:
        session.console.print("sweep.dry_run=true: nothing was trained or written")
        return Launched([])
    with session.held():
        session.refuse_changed(planned)
        code = session.train(planned)
        code = max(code, session.conclude(planned.jobs))
    code = max(code, session.say_failed(planned.plan))
    return Launched(session.returns(planned.jobs), code)


def _is_whole_grid(master: DictConfig) -> bool:
    """Whether this launch has all jobs of the sweep, so that all of them can be refused."""
    grid = str(master.hydra.sweeper.get("_target_")).rpartition(".")[2]
    at_once = master.hydra.sweeper.get("max_batch_size") is None
    return at_once and grid in ("BatchedSweeper", "BasicSweeper")


def typed_command() -> str:
    """As it was typed: Python gives the file of a module that was run by its name."""
    program, *words = sys.argv
    is_ours = Path(program).name == "train.py"
    return shlex.join(["python", "-m", "src.train", *words] if is_ours else sys.argv)
