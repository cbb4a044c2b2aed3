"""The launcher that Hydra calls: trains a sweep, from its override lists to its summary."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig
from rich.console import Console

from small_nets.config.check import Refused, folders_of, no_experiment
from small_nets.config.errors import InputError
from small_nets.config.multirun_keys import as_typed
from small_nets.config.overrides import key_of
from small_nets.run.terminal.tables import new_console
from small_nets.system.command_names import INSTALLED, command_words
from small_nets.system.shell_words import join

if TYPE_CHECKING:
    from small_nets.sweep.training.progress import Notify


@dataclass
class Launched:
    """What a launch returns.

    jobs: the final losses, as Hydra takes them. code: 1 where a run or the verification failed,
    else 0. said: messages about keys that were left out.
    """

    jobs: list[JobReturn]
    code: int
    said: list[str]


def launch(
    master: DictConfig, context: HydraContext, lists: Sequence[Sequence[str]], first: int,
    console: Console | None = None, notify: "Notify | None" = None, command: str | None = None,
) -> Launched:  # fmt: skip
    """Train a sweep, and return the jobs' final losses in their order.

    master: the multirun's config. lists: the overrides of each job. first: the number of the first
    job. console: where to print; None for the terminal. notify: called with the part that is done,
    0 to 1, and what is under way. command: the command as it was typed; None for this process's.

    A run that fails has a row and the loss NaN: a sweeper must not lose its other trials. Raises
    Refused for input that is wrong for the whole sweep, SystemExit(130) after Ctrl-C.
    """
    with refusing(master, lists[0]):
        for override in lists[0]:
            if key_of(override).split(".")[0] == "search":
                raise InputError(f"{override} is for a search, and this is a sweep of every "
                                 "combination.\nFix: hydra/sweeper=search, or without it"
                                 )  # fmt: skip
        # Imported here, so that a wrong command is answered before torch is loaded.
        from small_nets.sweep.after import confirm_end
        from small_nets.sweep.race import race_of, run_race
        from small_nets.sweep.results.conclude import returns
        from small_nets.sweep.session import Session

        session = Session(
            master, context, console or new_console(), command or typed_command(), notify
        )
        sweeper = master.hydra.sweeper
        grid = str(sweeper.get("_target_")).rpartition(".")[2] in ("BatchedSweeper", "BasicSweeper")
        # Whether this launch has all jobs of the sweep. If so, all of them may be refused.
        whole = grid and sweeper.get("max_batch_size") is None
        race = race_of(session.settings, lists, whole)
        session.standard = replace(session.standard, race=race)
        planned = session.plan(lists, first, whole)
        session.show(planned)
        said = list(session.expander.dropped)
        if session.is_dry():
            return Launched([], 0, said)
        with session.held():
            session.refuse_changed(planned)
            code = session.train(planned)
            added = run_race(session, planned, lists) if race is not None and not code else []
            found = session.conclude([*planned.jobs, *added])
            code = max(code, found.code)
            confirm_end(session, found, session.settings)
        code = max(code, session.say_failed(planned.plan))
        return Launched(returns(session.store, planned.jobs), code, said)


@contextmanager
def refusing(master: DictConfig, overrides: Sequence[str]) -> Iterator[None]:
    """Within the block, InputError and OSError become Refused, which Hydra passes on.

    Raises Refused, too, where neither an experiment nor data are chosen.
    """
    setup_globals()
    try:
        if master.hydra.runtime.choices.get("experiment") is None and not any(
            o.lstrip("+").startswith(("experiment=", "data=")) for o in overrides
        ):
            raise no_experiment(folders_of(master.hydra))
        yield
    except InputError as error:
        raise Refused(error) from error
    except OSError as error:
        raise Refused(
            InputError(
                f"{error.filename or master.hydra.sweep.dir}: {error.strerror or error}\n"
                "What was stored before is whole; the same command goes on from there."
            )
        ) from error
    sys.stdout.flush()


def typed_command() -> str:
    """The command of this process as it was typed, not with the file that Python made of it."""
    program, *words = map(as_typed, sys.argv)
    is_ours = Path(program).name in ("train.py", INSTALLED["train"])
    return join([*command_words("train"), *words] if is_ours else sys.argv)
