"""Trains in this process: parts of cohorts in threads, and single runs one after another."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from small_nets.config.errors import InputError
from small_nets.engines.cohort import Interrupted, Trained
from small_nets.sweep.cohorts.prepare import Means, Ready, one_thread
from small_nets.sweep.cohorts.start import Started, start
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Group, Plan
from small_nets.sweep.training.progress import Bars
from small_nets.sweep.training.rows import alone_part, cohort_part, keep_failed
from small_nets.sweep.training.sink import Sink

Item = tuple[Ready, Group, Callable[[int], None]]
Running = dict[Future[Trained], tuple[Ready, list[Job], Started]]


class Stop(Exception):
    """A run failed, and sweep.fail_fast is set."""


def train_together(
    ready: Sequence[Ready], sink: Sink, means: Means, bars: Bars,
    stop: Callable[[], bool], plan: Plan, fail_fast: bool,
) -> None:  # fmt: skip
    """Train every group in threads, and keep each part when it is done.

    Threads run side by side, since torch and the kernels release the interpreter while they
    compute. Runs that fail are moved to plan.failed. Raises Interrupted where `stop` returns True,
    Stop after a failure where fail_fast is set, and OSError.
    """
    quit_now = threading.Event()
    running: Running = {}
    with one_thread(), ThreadPoolExecutor(means.workers) as pool:
        todo, more = _parts(ready, bars), True
        try:
            while more or running:
                # One more than there are workers, so that none waits for the next part.
                while more and len(running) <= means.workers and not stop():
                    item = next(todo, None)
                    more = item is not None
                    if item is not None:
                        _submit(pool, item, running, sink, means, plan, quit_now)
                done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                bars.refresh()
                for future in done:
                    _keep(future, running.pop(future), sink, plan)
                if stop():
                    raise Interrupted
                if fail_fast and plan.failed:
                    raise Stop
        except BaseException:
            quit_now.set()  # the pool waits for its threads
            raise


def _keep(
    future: Future[Trained], item: tuple[Ready, list[Job], Started], sink: Sink, plan: Plan
) -> None:
    """Keep a part that is done. If torch could not train it, keep its runs as failed."""
    group, jobs, started = item
    try:
        trained = future.result()
    except Interrupted:
        raise
    except Exception as error:  # torch raises many classes for what it cannot do
        text = f"{type(error).__name__}: {(str(error) or '?').splitlines()[0]}"
        _fail(dict.fromkeys(range(len(jobs)), text), jobs, sink, plan)
    else:
        sink.append(cohort_part(jobs, started, trained, sink, group.lowered.name))


def _fail(messages: Mapping[int, str], jobs: Sequence[Job], sink: Sink, plan: Plan) -> None:
    """Keep jobs as failed. messages: place of a job -> why it failed."""
    failed = [jobs[place] for place in messages]
    for job, message in zip(failed, messages.values(), strict=True):
        job.error = message
    plan.failed += failed
    keep_failed(failed, sink)


def _parts(ready: Sequence[Ready], bars: Bars) -> Iterator[Item]:
    for group in ready:
        jobs = group.group.jobs
        title = f"{group.group.title} ({len(jobs):,} runs)"
        epochs = max(group.group.until or group.group.epochs, 1)
        task = bars.add(title, len(jobs) * epochs)
        for number, part in enumerate(group.group.pieces(group.part)):
            yield group, part, bars.ticker(task, number, len(part.jobs))


def _submit(
    pool: ThreadPoolExecutor, item: Item,
    running: Running, sink: Sink, means: Means, plan: Plan, quit_now: threading.Event,
) -> None:  # fmt: skip
    """Start a part's members here, and train them in a thread.

    Starting is not for threads: all members draw from torch's global generator.
    """
    group, part, count = item
    jobs, since = part.jobs, part.since
    started = start([job.settings() for job in jobs], means.device)
    if started.failed:
        _fail(started.failed, jobs, sink, plan)
    cohort = started.cohort
    if cohort is None:
        return
    if since is not None and started.failed:
        since = since.select(started.places)

    def tick(epoch: int) -> None:
        count(epoch)
        if quit_now.is_set():
            raise Interrupted

    future = pool.submit(group.lowered.train, cohort, group.part, tick, since, part.until)
    running[future] = group, [jobs[place] for place in started.places], started


def train_one_by_one(
    plan: Plan, sink: Sink, bars: Bars, stop: Callable[[], bool], fail_fast: bool
) -> None:
    """Train the runs of plan.alone through Lightning, and keep each when it is done.

    Runs that fail are moved to plan.failed. Raises Interrupted where `stop` returns True, Stop
    after a failure where fail_fast is set, and OSError.
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
            _fail({0: str(error)}, [job], sink, plan)
        else:
            sink.append(part)
        if fail_fast and plan.failed:
            raise Stop
        bars.ticker(task, number, 1)(1)
        bars.refresh()
