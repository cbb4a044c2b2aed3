"""One run through an engine: a cohort of one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from src.engines.cannot import CannotFuse, CannotStack
from src.engines.cohort import Cohort, Interrupted, Trained
from src.engines.program import lower
from src.engines.stacked import train
from src.errors import InputError
from src.fit import Train
from src.interrupt import interruption
from src.result import Ending
from src.run import Run
from src.sweep.lowered import Tick
from src.sweep.members import start
from src.sweep.plan import NO_TARGET, alone_reason
from src.tensorboard import TensorBoard


def trainer(run: Run) -> Train:
    """What trains a run with the engine that it asks for; no checkpoint is left.

    Raises InputError where that engine cannot.
    """
    reason = alone_reason(run.config)
    if reason is None and run.data.train.target is None:
        reason = NO_TARGET
    if reason is None:
        cohort = start([run.config]).cohort
        assert cohort is not None, "what was built can be started"
        try:
            return partial(_train, _lowered(run.config["engine"], cohort))
        except (CannotStack, CannotFuse, ImportError) as error:
            reason = str(error)
    raise InputError(f"engine={run.config['engine']} cannot train this run: {reason}.\n"
                     "Fix: engine=lightning")  # fmt: skip


def _lowered(engine: str, cohort: Cohort) -> Callable[[Tick], Trained]:
    """The cohort's training. Raises CannotStack, CannotFuse, ImportError."""
    if engine == "fused":
        from src.engines.fused.program import lower as lower_fused  # LLVM may be missing
        from src.engines.fused.train import train as train_fused

        return partial(train_fused, cohort, lower_fused(cohort))
    return partial(train, cohort, lower(cohort))


def _train(
    trains: Callable[[Tick], Trained], run: Run, logger: TensorBoard | None, _: Path,
    console: Console,
) -> Ending:  # fmt: skip
    """After Ctrl-C nothing is left."""
    with interruption(lambda text: console.print(text)) as stop:

        def tick(_: int) -> None:
            if stop():
                raise Interrupted

        trained = trains(tick)
    run.net.load_state_dict({n: p[0] for n, p in trained.parameters.items()})
    kept = int(trained.kept[0])
    return Ending(
        "diverged" if bool(trained.diverged[0]) else "completed",
        int(trained.epochs[0]),
        trained.curve(0),
        None if kept < 0 else kept,
    )
