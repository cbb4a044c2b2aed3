"""Train what a plan holds, part by part, and store each part as it is done."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from src.engines.cohort import Interrupted, Trained
from src.errors import InputError
from src.interrupt import interruption
from src.sweep.expand import Job
from src.sweep.members import Started, start
from src.sweep.outcomes import alone_part, cohort_part, failed_part, part_name
from src.sweep.plan import Plan
from src.sweep.prepare import Means, Ready, one_thread
from src.sweep.show import runs
from src.sweep.store import Part, Store

Notify = Callable[[float, str], None]


@dataclass
class Bars:
    """One bar for each cohort: runs and epochs, and the time that is left.

    notify: for a place that is no terminal: told the share of all bars that is done, and of what.
    """

    console: Console
    notify: Notify | None = None
    progress: Progress = field(init=False)
    done: dict[TaskID, dict[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=self.console,
            auto_refresh=False,
            disable=not self.console.is_terminal,
        )

    def add(self, title: str, total: float) -> TaskID:
        task = self.progress.add_task(title, total=total)
        self.done[task] = {}
        return task

    def ticker(self, task: TaskID, part: int, members: int) -> Callable[[int], None]:
        """Notes the epochs of a part; called in its thread."""
        done = self.done[task]

        def tick(epoch: int) -> None:
            done[part] = epoch * members

        return tick

    def refresh(self) -> None:
        for task, parts in self.done.items():
            self.progress.update(task, completed=sum(parts.values()))
        self.progress.refresh()
        if self.notify is not None:
            total = sum(task.total or 0 for task in self.progress.tasks)
            done = sum(task.completed for task in self.progress.tasks)
            titles = [task.description for task in self.progress.tasks if not task.finished]
            self.notify(done / max(total, 1), ", ".join(titles[-2:]))


class Stop(Exception):
    """sweep.fail_fast: a run failed."""


@contextmanager
def timed(store: Store, count: int, console: Console) -> Iterator[None]:
    """Around the training of so many runs: notes how long it took, and says so at its end."""
    began, before = time.perf_counter(), store.trained()
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        trained = store.trained() - before
        if trained:
            store.note_training(trained, seconds)
    if count:
        rate = count / seconds
        pace = f"{rate:.0f} runs a second" if rate >= 2 else f"{1 / rate:.1f} s a run"
        console.print(f"trained {runs(count)} in {seconds:.1f} s, {pace}")


def execute(
    plan: Plan, ready: Sequence[Ready], store: Store, means: Means, bars: Bars,
    fail_fast: bool = False,
) -> None:  # fmt: skip
    """Train every group, then what goes alone. Each part is stored when it is done.

    Raises Interrupted after Ctrl-C, Stop after a failure with fail_fast, OSError where the disk
    is full; what was stored stays.
    """
    if plan.failed:
        store.append(part_name(plan.failed, store), failed_part(plan.failed, store))
        if fail_fast:
            raise Stop
    saying = "stopping; finished parts are kept"
    with interruption(lambda _: bars.console.print(saying)) as stop, bars.progress:
        _together(ready, store, means, bars, stop, plan, fail_fast)
        _alone(plan, store, bars, stop, fail_fast)


def _together(
    ready: Sequence[Ready], store: Store, means: Means, bars: Bars,
    stop: Callable[[], bool], plan: Plan, fail_fast: bool,
) -> None:  # fmt: skip
    """Groups in threads, a part each: torch releases the interpreter while it computes."""
    quit_now = threading.Event()
    running: Running = {}
    with one_thread(), ThreadPoolExecutor(means.workers) as pool:
        todo, more = _parts(ready, bars), True
        try:
            while more or running:
                # One more than there are workers, so that none waits for its members.
                while more and len(running) <= means.workers and not stop():
                    item = next(todo, None)
                    more = item is not None
                    if item is not None:
                        _submit(pool, item, running, store, means, plan, quit_now)
                done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                bars.refresh()
                for future in done:
                    _store(future, running.pop(future), store, plan)
                if stop():
                    raise Interrupted
                if fail_fast and plan.failed:
                    raise Stop
        except BaseException:
            quit_now.set()  # the pool waits for its threads
            raise


Running = dict[Future[Trained], tuple[Ready, list[Job], Started]]


def _store(
    future: Future[Trained], item: tuple[Ready, list[Job], Started], store: Store, plan: Plan
) -> None:
    """Store a part that is done; one that torch could not train is a failure of its runs."""
    group, jobs, started = item
    try:
        trained = future.result()
    except Interrupted:
        raise
    except Exception as error:  # torch raises a different class for each thing it cannot do
        text = f"{type(error).__name__}: {(str(error) or '?').splitlines()[0]}"
        for job in jobs:
            job.error = text
        plan.failed += jobs
        part = failed_part(jobs, store)
    else:
        part = cohort_part(jobs, started, trained, store, group.lowered.name)
    store.append(part_name(jobs, store), part)


Item = tuple[Ready, list[Job], Callable[[int], None]]


def _parts(ready: Sequence[Ready], bars: Bars) -> Iterator[Item]:
    for group in ready:
        jobs = group.group.jobs
        title = f"{group.group.title} ({len(jobs):,} runs)"
        epochs = max(jobs[0].settings()["trainer"]["max_epochs"], 1)
        task = bars.add(title, len(jobs) * epochs)
        for number, part in enumerate(group.parts()):
            yield group, part, bars.ticker(task, number, len(part))


def _submit(
    pool: ThreadPoolExecutor, item: Item,
    running: Running, store: Store, means: Means, plan: Plan, quit_now: threading.Event,
) -> None:  # fmt: skip
    """Build a part's members, here and not in a thread: they draw from torch's one stream."""
    group, jobs, count = item
    started = start([job.settings() for job in jobs], means.device)
    if started.failed:
        failed = [jobs[place] for place in started.failed]
        for place, message in started.failed.items():
            jobs[place].error = message
        plan.failed += failed
        store.append(part_name(failed, store), failed_part(failed, store))
    if started.cohort is None:
        return
    cohort = started.cohort

    def tick(epoch: int) -> None:
        count(epoch)
        if quit_now.is_set():
            raise Interrupted

    future = pool.submit(group.lowered.train, cohort, group.part, tick)
    running[future] = group, [jobs[place] for place in started.places], started


def _alone(plan: Plan, store: Store, bars: Bars, stop: Callable[[], bool], fail_fast: bool) -> None:
    if not plan.alone:
        return
    task = bars.add(f"alone ({len(plan.alone):,} runs)", len(plan.alone))
    for number, (job, reason) in enumerate(plan.alone):
        if stop():
            raise Interrupted
        try:
            part: Part = alone_part(job, reason, store)
        except InputError as error:
            job.error = str(error)
            plan.failed.append(job)
            part = failed_part([job], store)
            if fail_fast:
                store.append(part_name([job], store), part)
                raise Stop from error
        store.append(part_name([job], store), part)
        bars.ticker(task, number, 1)(1)
        bars.refresh()
