"""Train what a plan holds, wherever its parts run, and store each part as it is done."""

from collections.abc import Sequence

from src.interrupt import interruption
from src.sweep.alone import train_one_by_one
from src.sweep.bars import Bars
from src.sweep.drive import drive
from src.sweep.executors.processes import Processes, are_worth_it
from src.sweep.executors.protocol import Executor
from src.sweep.outcomes import failed_part, part_name
from src.sweep.plan import Plan
from src.sweep.prepare import Means, Ready
from src.sweep.store import Store
from src.sweep.task import cut
from src.sweep.together import Stop, train_together


def execute(
    plan: Plan, ready: Sequence[Ready], store: Store, means: Means, bars: Bars,
    fail_fast: bool = False, executor: Executor | None = None,
) -> None:  # fmt: skip
    """Train every group, and what goes alone. Each part is stored when it is done.

    executor: where that happens; None for this machine. Raises Interrupted after Ctrl-C, Stop
    after a failure with fail_fast, OSError where the disk is full; what was stored stays.
    """
    if plan.failed:
        store.append(part_name(plan.failed, store), failed_part(plan.failed, store))
        if fail_fast:
            raise Stop
    saying = "stopping; finished parts are kept"
    with interruption(lambda _: bars.console.print(saying)) as stop, bars.progress:
        if executor is not None:
            tasks = cut(plan, ready, executor.part_seconds, executor.slots())
            drive(list(tasks), executor, store, plan, bars, stop, fail_fast)
            return
        train_together(ready, store, means, bars, stop, plan, fail_fast)
        if not are_worth_it(plan, means.workers):
            train_one_by_one(plan, store, bars, stop, fail_fast)
            return
        with Processes(means) as processes:
            tasks = cut(Plan(alone=plan.alone), [], 0.0, len(plan.alone))
            drive(list(tasks), processes, store, plan, bars, stop, fail_fast)
