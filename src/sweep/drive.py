"""Tasks through an executor, with what was lost tried again, until each run has its row."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from src.engines.cohort import Interrupted
from src.sweep.bars import Bars
from src.sweep.executors.protocol import Executor
from src.sweep.expand import Job
from src.sweep.outcomes import failed_part, part_name
from src.sweep.plan import Plan
from src.sweep.show import runs
from src.sweep.sink import Form
from src.sweep.store import Store
from src.sweep.task import STRIKES, Done, Lost, Task, again
from src.sweep.together import Stop

PATIENCE = 10.0  # seconds without a place to train, until it is said


def drive(
    tasks: Sequence[Task], executor: Executor, store: Store, plan: Plan, bars: Bars,
    stop: Callable[[], bool], fail_fast: bool,
) -> None:  # fmt: skip
    """Train tasks and store their parts. Runs that fail are moved to plan.failed.

    Raises Interrupted where `stop` says so, Stop, OSError; what waits is then cancelled.
    """
    driver = _Driver(tasks, executor, store, plan, bars)
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
    def __init__(
        self, tasks: Sequence[Task], executor: Executor, store: Store, plan: Plan, bars: Bars
    ) -> None:
        self.executor, self.store, self.plan, self.bars = executor, store, plan, bars
        self.todo = deque(tasks)
        self.running: dict[Hashable, Task] = {}
        counts: dict[str, int] = {}
        for task in tasks:
            counts[task.title] = counts.get(task.title, 0) + len(task.jobs)
        self.bar = {title: bars.add(f"{title} ({n:,} runs)", n) for title, n in counts.items()}
        self.ended = dict.fromkeys(counts, 0)
        self.waiting: float | None = None  # since when
        self.has_said_so = False

    def step(self) -> None:
        """Submit what there is room for, wait a moment, and keep what has come back."""
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
        """Once: a cluster without nodes is waited for, and would else be so without a word."""
        why, now = self.executor.waits() if is_idle else None, time.monotonic()
        self.waiting = None if why is None else self.waiting or now
        if self.waiting is not None and now - self.waiting >= PATIENCE and not self.has_said_so:
            self.bars.console.print(why, soft_wrap=True)
            self.has_said_so = True

    def _form(self, tasks: Sequence[Task]) -> Form:
        ids = [job.identity for task in tasks for job in task.jobs]
        numbers = {run_id: self.store.number(run_id) for run_id in ids}
        store = self.store
        return Form(store.directory.absolute(), numbers, store.swept, store.columns)

    def _keep(self, task: Task, done: Done) -> None:
        for name, part in done.parts.items():
            part.write(self.store.directory, name)
            self.store.adopt(name, part.ids, part.columns)
        for job in task.jobs:
            if job.identity in done.failed:
                job.error = done.failed[job.identity]
                self.plan.failed.append(job)
        self._count(task, task.jobs)

    def _lost(self, task: Task, lost: Lost) -> None:
        stored = [job.identity in self.store.adopted for job in task.jobs]
        self._count(
            task, [job for job, is_there in zip(task.jobs, stored, strict=True) if is_there]
        )
        left = [place for place, is_there in enumerate(stored) if not is_there]
        more = again(task, left, lost) if left else []
        if more:
            self.bars.console.print(f"{lost.why}: {runs(len(left))} tried again", soft_wrap=True)
        elif left:
            self._guilty(task.jobs[left[0]], lost)
            self._count(task, [task.jobs[left[0]]])
        self.todo.extendleft(reversed(more))

    def _guilty(self, job: Job, lost: Lost) -> None:
        job.error = f"its worker died {STRIKES} times, at last with this run alone: {lost.why}"
        self.plan.failed.append(job)
        self.store.append(part_name([job], self.store), failed_part([job], self.store))

    def _count(self, task: Task, jobs: Sequence[Job]) -> None:
        # One number, and not one for each job: they are added up several times a second.
        self.ended[task.title] += len(jobs)
        self.bars.ticker(self.bar[task.title], "all", 1)(self.ended[task.title])
