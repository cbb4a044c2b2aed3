"""Trains a task inside a SLURM job: writes its parts into the sweep's folder, and a journal.

The driver follows a job by its journal. It has a line for each part, and one at the end or for an
error that ends the sweep. The time of its last change is renewed while the job lives. What SLURM
itself says of a job may come minutes late, or never.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from small_nets.config.errors import words_of
from small_nets.engines.cohort import Interrupted
from small_nets.run.outputs.result import versions
from small_nets.sweep.cohorts.prepare import find_means
from small_nets.sweep.store.part import Packed
from small_nets.sweep.training.sink import PartFormat, RemoteSink
from small_nets.sweep.training.task import Task
from small_nets.sweep.training.worker import perform_task

BEAT = 5.0  # seconds between signs of life
CANCELLED = ".cancelled"  # ends the name of a file beside the journal of a job that was given up


def perform_shared(
    task: Task, form: PartFormat, sweep: Mapping[str, Any], cores: int, journal: Path
) -> None:
    """Train a task. Its parts are in the store when this returns.

    A fault of this machine, not of a run, is written to the journal and raised: the next job
    would meet it as well. Raises Interrupted where the driver has given this job up.
    """
    given_up = journal.with_suffix(CANCELLED)

    def say(**line: Any) -> None:
        with journal.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def say_part(part: Packed) -> None:
        say(part=part.name, ids=part.ids, columns=part.columns)

    sink = shared_folder(form, say_part, given_up.exists)
    with _alive(journal):
        try:
            means = find_means(dict(sweep), workers=cores)
            say(failed=dict(perform_task(task, sink, means, _Watched(given_up))))
        except Interrupted:
            raise
        except Exception as error:
            say(error=words_of(error) if isinstance(error, OSError) else str(error))
            raise


def shared_folder(
    form: PartFormat, wrote: Callable[[Packed], None], given_up: Callable[[], bool] = lambda: False
) -> RemoteSink:
    """A sink that writes parts into a store that another process keeps.

    wrote: called with each part once its files are there. given_up: whether another job trains
    these runs now. Then nothing is written, and Interrupted is raised.
    """

    def refuse_given_up() -> None:
        if given_up():
            raise Interrupted

    def send(part: Packed) -> None:
        refuse_given_up()
        part.write(form.directory, form.token)
        refuse_given_up()  # while it wrote; `Store.drop_duplicates` removes what it left
        wrote(part)

    return RemoteSink(form, send)


class _Watched:
    """Whether a file exists. It is asked ten times a second, and looks every two seconds."""

    def __init__(self, path: Path) -> None:
        self.path, self.looked, self.found = path, 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() - self.looked > 2:
            self.looked, self.found = time.monotonic(), self.path.exists()
        return self.found


@contextmanager
def _alive(journal: Path) -> Iterator[None]:
    """Within the block, a thread renews the journal's time of change."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            journal.touch()

    journal.touch()
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Print, as JSON, whether this node sees a file of the sweep's folder, and its versions."""
    print(json.dumps({"shared": Path(sys.argv[1]).exists(), "versions": versions()}))


if __name__ == "__main__":
    main()
