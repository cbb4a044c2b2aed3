"""One run through an engine: a cohort of one."""

from pathlib import Path

import torch
from rich.console import Console

from src.engines.cohort import Interrupted, Trained
from src.engines.program import CannotStack, lower
from src.engines.stacked import train
from src.errors import InputError
from src.interrupt import interruption
from src.result import Ending
from src.run import Run
from src.sweep.members import start
from src.sweep.plan import alone_reason
from src.tensorboard import TensorBoard


def refuse_engine(run: Run) -> None:
    """Raises InputError where the engine that was asked for cannot train the run."""
    reason = alone_reason(run.config)
    if reason is None and run.data.train.target is None:
        reason = "it has no target, so nothing is trained"
    if reason is not None:
        raise InputError(f"engine={run.config['engine']} cannot train this run: {reason}.\n"
                         "Fix: engine=lightning")  # fmt: skip


def train_by_engine(run: Run, logger: TensorBoard | None, _: Path, console: Console) -> Ending:
    """Train a run with its engine; no checkpoint is left. After Ctrl-C nothing is."""
    cohort = start([run.config]).cohort
    assert cohort is not None, "what was built can be started"
    with interruption(lambda text: console.print(text)) as stop:

        def tick(_: int) -> None:
            if stop():
                raise Interrupted

        try:
            trained = train(cohort, lower(cohort), tick)
        except CannotStack as error:
            raise InputError(f"engine={run.config['engine']} cannot train this run: {error}.\n"
                             "Fix: engine=lightning") from error  # fmt: skip
    return ending_of(run, trained)


def ending_of(run: Run, trained: Trained, member: int = 0) -> Ending:
    """Put a member's parameters into the run's net; how its training ended."""
    with torch.no_grad():
        run.module.net.load_state_dict({n: p[member] for n, p in trained.parameters.items()})
    kept = int(trained.kept[member])
    return Ending(
        "diverged" if bool(trained.diverged[member]) else "completed",
        int(trained.epochs[member]),
        trained.curve(member),
        None if kept < 0 else kept,
    )
