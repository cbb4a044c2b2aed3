"""The interface of an executor: a place that trains tasks."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from small_nets.run.outputs.result import versions
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import Done, Lost, Task

Ended = tuple[Hashable, Done | Lost]


class Executor(Protocol):
    """Trains tasks. part_seconds: how long a task should take on one core, about."""

    part_seconds: float

    def slots(self) -> int:
        """How many tasks may be submitted at a time, including those that wait for a worker."""
        ...

    def waits(self) -> str | None:
        """Why no task can be trained now, as a sentence; None where nothing is known."""
        ...

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> Sequence[Hashable]:
        """Begin tasks, and return a handle for each. form: what their parts must look like.

        Raises OSError where they cannot be begun.
        """
        ...

    def ended(self, seconds: float, store: Store) -> list[Ended]:
        """Wait so many seconds for tasks to end or to be lost; return at the first.

        Parts that a worker wrote into the store itself are adopted. Raises OSError for a failure
        that every other task would meet.
        """
        ...

    def cancel(self) -> None:
        """Stop all submitted tasks. What they have trained is not kept."""
        ...


class Cluster(Executor, Protocol):
    """An executor beyond this machine.

    stay_local: a sweep that one core trains within so many seconds is not worth sending.
    """

    stay_local: float

    def open(self, directory: Path) -> str:
        """Connect, for a sweep of this directory. Returns the cluster's name in a few words.

        Raises InputError where its nodes cannot train this sweep. Nothing has begun then.
        """
        ...

    def close(self) -> None:
        """Disconnect. It may be called without `open`, and twice."""
        ...


def other_versions(found: Mapping[str, str]) -> str:
    """How the versions of a node's packages differ from those here; "" where they do not.

    Other versions may give other numbers.
    """
    here = versions()
    differ = [name for name in {**here, **found} if found.get(name) != here.get(name)]
    return ", ".join(f"{name} {found.get(name)} (here {here.get(name)})" for name in differ)
