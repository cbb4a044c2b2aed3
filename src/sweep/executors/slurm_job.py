"""A task as a SLURM job has it: its parts go into the sweep's folder, and a journal says so.

The journal is how the driver follows a job: a line for each part, one at the end or for an error
that ends the sweep, and the time of its last change, which is renewed while the job lives. What
SLURM itself says of a job may come minutes late, or never.
"""

import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.engines.cohort import Interrupted
from src.errors import words_of
from src.result import versions
from src.sweep.prepare import find_means
from src.sweep.sink import Form, SharedFolder
from src.sweep.task import Task
from src.sweep.worker import perform

BEAT = 5.0  # seconds between signs of life
CANCELLED = ".cancelled"  # beside the journal of a job that was given up


def perform_shared(
    task: Task, form: Form, sweep: Mapping[str, Any], cores: int, journal: Path
) -> None:
    """Train a task; its parts are in the store when this returns.

    What goes wrong with this machine, and not with a run, is said in the journal and raised: the
    next job would meet it as well.
    """
    given_up = journal.with_suffix(CANCELLED)
    say = _Journal(journal)
    sink = SharedFolder(form, say.part, given_up.exists)
    with say.alive():
        try:
            means = find_means(dict(sweep), workers=cores)
            say({"failed": dict(perform(task, sink, means, _Watched(given_up)))})
        except Interrupted:
            raise
        except Exception as error:
            say({"error": words_of(error) if isinstance(error, OSError) else str(error)})
            raise


class _Watched:
    """Whether a file is there; asked ten times a second, looked at once in two."""

    def __init__(self, path: Path) -> None:
        self.path, self.looked, self.found = path, 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() - self.looked > 2:
            self.looked, self.found = time.monotonic(), self.path.exists()
        return self.found


class _Journal:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def part(self, name: str, ids: list[str], columns: list[str]) -> None:
        self({"part": name, "ids": ids, "columns": columns})

    def alive(self) -> "_Beat":
        self.path.touch()
        return _Beat(self.path)


class _Beat:
    """A context in which a thread renews a file's time."""

    def __init__(self, path: Path) -> None:
        self.path, self.over = path, threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self.over.wait(BEAT):
            self.path.touch()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def main() -> None:
    """What a node sees of the sweep's folder, and its versions, as JSON."""
    print(json.dumps({"shared": Path(sys.argv[1]).exists(), "versions": versions()}))


if __name__ == "__main__":
    main()
