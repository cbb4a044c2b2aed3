"""Trains the runs of a plan, here or by an executor, and tries lost runs again."""

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence

from small_nets.engines.cohort import Interrupted
from small_nets.sweep.cohorts.prepare import Means, Ready
from small_nets.sweep.executors.process_executor import Processes, are_worth_it
from small_nets.sweep.executors.protocol import Executor
from small_nets.sweep.jobs.plan import Plan
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.in_process import Stop, train_one_by_one, train_together
from small_nets.sweep.training.progress import Bars, runs
from small_nets.sweep.training.rows import keep_failed
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import STRIKES, Done, Lost, Task, retried, tasks_of
from small_nets.system.signals import at_end, interruption

PATIENCE = 10.0  # seconds without a place to train, until the user is told


def execute(
    plan: Plan, ready: Sequence[Ready], store: Store, means: Means, bars: Bars,
    fail_fast: bool = False, executor: Executor | None = None,
) -> None:  # fmt: skip
    """Train every group, and the runs that go alone. Each part is stored when it is done.

    executor: where to train; None for this machine. Raises Interrupted after Ctrl-C, Stop after a
    failure where fail_fast is set, and OSError where the disk is full. What was stored stays.
    """
    if plan.failed:
        keep_failed(plan.failed, store)
        if fail_fast:
            raise Stop
    saying = "stopping; finished parts are kept"
    with interruption(lambda _: bars.console.print(saying)) as stop, bars.progress:
        if executor is not None:
            tasks = tasks_of(plan, ready, executor.part_seconds, executor.slots())
            drive(list(tasks), executor, store, plan, bars, stop, fail_fast)
            return
        train_together(ready, store, means, bars, stop, plan, fail_fast)
        if not are_worth_it(plan, means.workers):
            train_one_by_one(plan, store, bars, stop, fail_fast)
            return
        with Processes(means) as processes:
            tasks = tasks_of(Plan(alone=plan.alone), [], 0.0, len(plan.alone))
            drive(list(tasks), processes, store, plan, bars, stop, fail_fast)


def drive(
    tasks: Sequence[Task], executor: Executor, store: Store, plan: Plan, bars: Bars,
    stop: Callable[[], bool], fail_fast: bool,
) -> None:  # fmt: skip
    """Train tasks and store their parts, until each run has its row.

    Runs that fail are moved to plan.failed. Raises Interrupted where `stop` returns True, Stop
    after a failure where fail_fast is set, and OSError. The remaining tasks are then cancelled.
    """
    driver = _Driver(tasks, executor, store, plan, bars)
    with at_end(executor.cancel):
        try:
            while driver.todo or driver.running:
                driver.step()
                bars.refresh()
                if stop():
                    raise Interrupted
                if fail_fast and plan.failed:
                    raise Stop
        except BaseException:
            executor.cancel()
            raise


class _Driver:
    """Submits tasks and keeps what comes back."""

    def __init__(
        self, tasks: Sequence[Task], executor: Executor, store: Store, plan: Plan, bars: Bars
    ) -> None:
        self.executor, self.store, self.plan, self.bars = executor, store, plan, bars
        self.todo = deque(tasks)
        self.running: dict[Hashable, Task] = {}
        counts: Counter[str] = Counter()
        for task in tasks:
            counts[task.title] += len(task.jobs)
        self.bar = {title: bars.add(f"{title} ({n:,} runs)", n) for title, n in counts.items()}
        self.ended: Counter[str] = Counter()
        self.waiting: float | None = None  # the time since which no task can train
        self.has_said_so = False

    def step(self) -> None:
        """Submit as many tasks as there are slots, wait a moment, and keep what came back."""
        room = max(self.executor.slots(), 1) - len(self.running)
        some = [self.todo.popleft() for _ in range(min(room, len(self.todo)))]
        if some:
            self.running |= zip(self.executor.submit(some, self._form(some)), some, strict=True)
        found = self.executor.ended(0.2, self.store)
        for handle, ended in found:
            task = self.running.pop(handle)
            if isinstance(ended, Done):
                self._keep(task, ended)
            else:
                self._lost(task, ended)
        self._say_waiting(is_idle=not found)

    def _say_waiting(self, is_idle: bool) -> None:
        """Tell the user, once, that the sweep waits for a cluster that has no free nodes."""
        why, now = self.executor.waits() if is_idle else None, time.monotonic()
        self.waiting = None if why is None else self.waiting or now
        if not self.has_said_so and self.waiting is not None and now - self.waiting >= PATIENCE:
            self.bars.console.print(why, soft_wrap=True)
            self.has_said_so = True

    def _form(self, tasks: Sequence[Task]) -> PartFormat:
        ids = [job.identity for task in tasks for job in task.jobs]
        numbers = {run_id: self.store.number(run_id) for run_id in ids}
        store = self.store
        return PartFormat(
            store.directory.absolute(), store.token, numbers, store.swept, store.columns
        )

    def _keep(self, task: Task, done: Done) -> None:
        for part in done.parts:
            self.store.keep(part)
        for job in task.jobs:
            if job.identity in done.failed:
                job.error = done.failed[job.identity]
                self.plan.failed.append(job)
        self._count(task, len(task.jobs))

    def _lost(self, task: Task, lost: Lost) -> None:
        left = [place for place, job in enumerate(task.jobs)
                if job.identity not in self.store.adopted]  # fmt: skip
        self._count(task, len(task.jobs) - len(left))
        more = retried(task, left, lost) if left else []
        if more:
            self.bars.console.print(f"{lost.why}: {runs(len(left))} tried again", soft_wrap=True)
        elif left:  # a single run, which killed its worker
            job = task.jobs[left[0]]
            job.error = f"its worker died {STRIKES} times, at last with this run alone: {lost.why}"
            self.plan.failed.append(job)
            keep_failed([job], self.store)
            self._count(task, 1)
        self.todo.extendleft(reversed(more))

    def _count(self, task: Task, ended: int) -> None:
        # One number in all, not one for each job: it is added up several times a second.
        self.ended[task.title] += ended
        self.bars.ticker(self.bar[task.title], "all", 1)(self.ended[task.title])
