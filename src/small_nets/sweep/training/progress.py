"""Shows the progress of a sweep: bars while it trains, and its pace at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from small_nets.sweep.store.store import Store

Notify = Callable[[float, str], None]  # takes the part that is done, 0 to 1, and what is under way


def runs(count: int) -> str:
    """A number of runs in words, such as "1 run" or "1,000 runs"."""
    return f"{count:,} run" + ("" if count == 1 else "s")


@dataclass
class Bars:
    """A progress bar for each cohort, with the time that is left.

    notify: for a caller without a terminal; called with the part of all bars that is done, 0 to 1,
    and what is under way. done: bar -> epochs of each part, times its members.
    """

    console: Console
    notify: Notify | None = None
    progress: Progress = field(init=False)
    done: dict[TaskID, dict[object, float]] = field(default_factory=dict)

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
        """Add a bar. total: the epochs of all its runs together."""
        task = self.progress.add_task(title, total=total)
        self.done[task] = {}
        return task

    def ticker(self, task: TaskID, part: object, members: int) -> Callable[[int], None]:
        """A function that notes the epochs of a part. It is called in the part's thread."""
        done = self.done[task]

        def tick(epoch: int) -> None:
            done[part] = epoch * members

        return tick

    def refresh(self) -> None:
        """Show what the tickers noted."""
        for task, parts in self.done.items():
            self.progress.update(task, completed=sum(parts.values()))
        self.progress.refresh()
        if self.notify is not None:
            total = sum(task.total or 0 for task in self.progress.tasks)
            done = sum(task.completed for task in self.progress.tasks)
            titles = [task.description for task in self.progress.tasks if not task.finished]
            self.notify(done / max(total, 1), ", ".join(titles[-2:]))


@contextmanager
def timed(store: Store, count: int, console: Console) -> Iterator[None]:
    """Measure how long the block trains. At its end, store and print the pace.

    count: the runs that the block has to train. Failed runs do not count as trained.
    """
    began, before = time.perf_counter(), set(store.adopted)
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        ended = store.read(["run_id", "status"]).filter(pl.col("status") != "failed")
        trained = len((store.adopted - before).intersection(ended["run_id"]))
        if trained:
            store.note_training(trained, seconds)
    if trained:
        rate = trained / seconds
        pace = f"{rate:.0f} runs a second" if rate >= 2 else f"{1 / rate:.1f} s a run"
        console.print(f"trained {runs(trained)} in {seconds:.1f} s, {pace}")
    elif count:
        console.print(f"trained none of {runs(count)}, in {seconds:.1f} s")
