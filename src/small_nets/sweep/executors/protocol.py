"""What a place must be able to do to train tasks."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from small_nets.run.outputs.result import versions
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import Done, Lost, Task

Ended = tuple[Hashable, Done | Lost]


class Executor(Protocol):
    """part_seconds: how long a task is to take on one core, about."""

    part_seconds: float

    def slots(self) -> int:
        """How many tasks may be under way, those included that wait for a worker."""
        ...

    def waits(self) -> str | None:
        """Why no task can be trained now, for a person to read; None where nothing is known."""
        ...

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> Sequence[Hashable]:
        """Begin tasks; a handle for each. form: what their parts must look like."""
        ...

    def ended(self, seconds: float, store: Store) -> list[Ended]:
        """Those that ended, or were lost, within so many seconds; returns at the first.

        Parts that a worker has written into the store itself are adopted. Raises OSError.
        """
        ...

    def cancel(self) -> None:
        """Stop whatever is under way or waits; it is not kept."""
        ...


class Cluster(Executor, Protocol):
    """An executor beyond this process. stay_local: seconds of one core that are not worth it."""

    stay_local: float

    def open(self, directory: Path) -> str:
        """Connect, for a sweep of this directory; what it is, in a few words.

        Raises InputError where its nodes cannot train this sweep: nothing was begun then.
        """
        ...

    def close(self) -> None:
        """Disconnect; may be called without `open`, and twice."""
        ...


def other_versions(found: Mapping[str, str]) -> str:
    """How a node's versions differ from those here, which gives other numbers; "" if not at all."""
    here = versions()
    differ = [name for name in {**here, **found} if found.get(name) != here.get(name)]
    return ", ".join(f"{name} {found.get(name)} (here {here.get(name)})" for name in differ)
