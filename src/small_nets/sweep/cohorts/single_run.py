"""Trains a single run by the engine that its config names, as a cohort of one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from small_nets.config.errors import InputError
from small_nets.run.fit import Train
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.result import Ending
from small_nets.run.spec import Run
from small_nets.run.terminal.losses_lines import print_lines
from small_nets.system.signals import interruption

if TYPE_CHECKING:
    from small_nets.engines.cohort import Trained
    from small_nets.engines.engine import Tick


def engine_of(run: Run) -> Train | None:
    """The function that trains a run by the engine of its config; None for Lightning.

    It writes no checkpoint. Raises InputError where that engine cannot train the run.
    """
    if run.config["engine"] in (None, "lightning"):
        return None
    # Imported only here: importing them takes longer than training a small run.
    from small_nets.engines.selection import choose
    from small_nets.engines.unsupported import CannotFuse, CannotStack
    from small_nets.sweep.cohorts.start import start
    from small_nets.sweep.jobs.plan import NO_TARGET, alone_reason

    reason = alone_reason(run.config)
    if reason is None and run.data.train.target is None:
        reason = NO_TARGET
    if reason is None:
        cohort = start([run.config]).cohort
        assert cohort is not None, "what was built can be started"
        try:
            lowered, _ = choose(cohort, run.config["engine"], compiles=False, falls_back=False)
            return partial(_train, partial(lowered.train, cohort, 1))
        except (CannotStack, CannotFuse) as error:
            reason = str(error)
    raise InputError(f"engine={run.config['engine']} cannot train this run: {reason}.\n"
                     "Fix: engine=lightning")  # fmt: skip


def _train(
    trains: Callable[["Tick"], "Trained"], run: Run, logger: TensorBoard | None, _: Path,
    console: Console,
) -> Ending:  # fmt: skip
    """Train a run. Raises Interrupted after Ctrl-C, and then leaves nothing behind."""
    from small_nets.engines.cohort import Interrupted

    with interruption(lambda text: console.print(text)) as stop:

        def tick(_: int) -> None:
            if stop():
                raise Interrupted

        trained = trains(tick)
    print_lines(run, trained.curve(0), console)
    run.net.load_state_dict({n: p[0] for n, p in trained.parameters.items()})
    status, kept = "diverged" if bool(trained.diverged[0]) else "completed", int(trained.kept[0])
    return Ending(
        status, int(trained.epochs[0]), trained.curve(0), None if kept < 0 else kept,
        bool(trained.stopped_early[0]),
    )  # fmt: skip
