"""What goes to Ray's workers and comes back, while a sweep is trained there."""

import time
from typing import Any

from ray import cloudpickle

from small_nets.sweep.executors.dispatch import _Driver
from small_nets.sweep.executors.ray_executor import RayCluster
from small_nets.sweep.training.progress import Bars
from small_nets.sweep.training.task import Done
from tests.benchmarks.clock import Clock

WEIGHED = 12  # tasks; pickling each once more would be part of what is measured


def follow(clock: Clock) -> dict[str, Any]:
    """Watches a sweep that is to come. The dictionary is filled on the way:

    sent, got: (runs, bytes) of some tasks and of what came back. waits: seconds from submitting to
    adopting, of each task. span: seconds from the first task sent to the last one adopted.
    """
    sent: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []
    waits: list[float] = []
    found: dict[str, Any] = {"sent": sent, "got": got, "waits": waits, "span": 0.0}
    began: dict[int, float] = {}
    submit, keep = RayCluster.submit, _Driver._keep

    def submitting(self: RayCluster, tasks: Any, form: Any) -> Any:
        for task in tasks:
            began[id(task)] = time.perf_counter()
            if len(sent) < WEIGHED:
                sent.append((len(task.jobs), len(cloudpickle.dumps((task, form)))))
        with clock.phase("submitting"):
            return submit(self, tasks, form)

    def keeping(self: _Driver, task: Any, done: Done) -> None:
        with clock.phase("keeping"):
            keep(self, task, done)
        now = time.perf_counter()
        waits.append(now - began[id(task)])
        found["span"] = now - min(began.values())
        if len(got) < WEIGHED:
            got.append((len(task.jobs), len(cloudpickle.dumps(done))))

    RayCluster.submit, _Driver._keep = submitting, keeping  # type: ignore[method-assign]
    clock.wrap(RayCluster, "_outcome", "fetching")
    clock.wrap(Bars, "refresh", "bars")
    return found
