"""Trains a task on the machine that received it, in the way of a sweep on the driver's machine."""

import traceback
from collections.abc import Callable, Mapping

from small_nets.config import resolvers
from small_nets.engines.cohort import Interrupted
from small_nets.engines.engine import Lowered
from small_nets.sweep.cohorts.prepare import Means, prepare
from small_nets.sweep.training.in_process import train_one_by_one, train_together
from small_nets.sweep.training.progress import Bars
from small_nets.sweep.training.rows import keep_failed, quiet
from small_nets.sweep.training.sink import Sink
from small_nets.sweep.training.task import Task

KNOWN = 8  # programs that a process keeps, since compiling one may take longer than a task
_programs: dict[str, Lowered] = {}


def perform_task(
    task: Task, sink: Sink, means: Means, stop: Callable[[], bool] = lambda: False
) -> Mapping[str, str]:
    """Train a task's runs into a sink. Returns run_id -> message of those that failed.

    After a fault of this program, the runs that were not kept by then count as failed. Raises
    Interrupted where `stop` returns True, and OSError.
    """
    resolvers.register()
    try:
        plan = task.plan()
        while len(_programs) >= KNOWN:
            _programs.pop(next(iter(_programs)))
        ready = prepare(plan, means, known=_programs)
        bars = Bars(quiet())
        train_together(ready, sink, means, bars, stop, plan, fail_fast=False)
        train_one_by_one(plan, sink, bars, stop, fail_fast=False)
        return {job.identity: job.error or "" for job in plan.failed}
    except (Interrupted, OSError):
        raise
    except Exception as error:
        traceback.print_exc()  # for the worker's log
        left = [job for job in task.jobs if job.identity not in sink.adopted]
        for job in left:
            job.error = f"{type(error).__name__}: {error}"
        if left:
            keep_failed(left, sink)
        return {job.identity: job.error for job in task.jobs if job.error is not None}
