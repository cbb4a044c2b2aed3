"""Runs that go alone through Lightning, one after another in this process."""

from collections.abc import Callable

from src.engines.cohort import Interrupted
from src.errors import InputError
from src.sweep.bars import Bars
from src.sweep.outcomes import alone_part, failed_part, part_name
from src.sweep.plan import Plan
from src.sweep.sink import Sink
from src.sweep.together import Stop


def train_one_by_one(
    plan: Plan, sink: Sink, bars: Bars, stop: Callable[[], bool], fail_fast: bool
) -> None:
    """Train the runs of plan.alone, and keep each as it is done.

    Runs that fail are moved to plan.failed. Raises Interrupted where `stop` says so, Stop, OSError.
    """
    if not plan.alone:
        return
    task = bars.add(f"alone ({len(plan.alone):,} runs)", len(plan.alone))
    for number, (job, reason) in enumerate(plan.alone):
        if stop():
            raise Interrupted
        try:
            part = alone_part(job, reason, sink)
        except InputError as error:
            job.error = str(error)
            plan.failed.append(job)
            part = failed_part([job], sink)
        sink.append(part_name([job], sink), part)
        if fail_fast and plan.failed:
            raise Stop
        bars.ticker(task, number, 1)(1)
        bars.refresh()
