"""A task on the machine that was given it: planned, trained and packed as a sweep at home is."""

import traceback
from collections.abc import Callable, Mapping

from src import resolvers
from src.engines.cohort import Interrupted
from src.sweep.alone import train_one_by_one
from src.sweep.bars import Bars
from src.sweep.lowered import Lowered
from src.sweep.outcomes import failed_part, part_name, quiet
from src.sweep.prepare import Means, prepare
from src.sweep.sink import Sink
from src.sweep.task import Task
from src.sweep.together import train_together

KNOWN = 8  # programs that a process keeps: compiling one may take longer than its task
_programs: dict[str, Lowered] = {}


def perform(
    task: Task, sink: Sink, means: Means, stop: Callable[[], bool] = lambda: False
) -> Mapping[str, str]:
    """Train a task's runs into a sink; run -> message of those that failed.

    A fault of this program is a failure of the runs that were not kept by then. Raises
    Interrupted where `stop` says so, OSError.
    """
    resolvers.register()
    try:
        return _perform(task, sink, means, stop)
    except (Interrupted, OSError):
        raise
    except Exception as error:
        traceback.print_exc()  # for the worker's log
        left = [job for job in task.jobs if job.identity not in sink.adopted]
        for job in left:
            job.error = f"{type(error).__name__}: {error}"
        if left:
            sink.append(part_name(left, sink), failed_part(left, sink))
        return {job.identity: job.error for job in task.jobs if job.error is not None}


def _perform(task: Task, sink: Sink, means: Means, stop: Callable[[], bool]) -> Mapping[str, str]:
    plan = task.plan()
    while len(_programs) >= KNOWN:
        _programs.pop(next(iter(_programs)))
    ready = prepare(plan, means, known=_programs)
    bars = Bars(quiet())
    train_together(ready, sink, means, bars, stop, plan, fail_fast=False)
    train_one_by_one(plan, sink, bars, stop, fail_fast=False)
    return {job.identity: job.error or "" for job in plan.failed}
