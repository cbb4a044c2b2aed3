"""Where trained parts go: a sweep's store, or its stand-in on another machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.store.columns import Config
from small_nets.sweep.store.part import Packed, Part, pack


class Sink(Protocol):
    """What training needs of a store."""

    def number(self, run_id: str) -> int:
        """The job number of a run."""
        ...

    def append(self, part: Part) -> None:
        """Keep a part. Raises OSError."""
        ...

    @property
    def adopted(self) -> set[str]:
        """The run_ids that were kept by this sink."""
        ...


@dataclass(frozen=True)
class PartFormat:
    """What a part must look like to fit into a store.

    directory, token: the store's. numbers: run_id -> job number. swept, columns: see `pack`.
    """

    directory: Path
    token: str
    numbers: Mapping[str, int]
    swept: Mapping[str, Any]
    columns: list[str]

    def only(self, jobs: Sequence[Job]) -> "PartFormat":
        """The format with the numbers of these jobs alone, so that little is sent with a task."""
        ids = [job.identity for job in jobs]
        return replace(self, numbers={run_id: self.numbers[run_id] for run_id in ids})


@dataclass
class RemoteSink:
    """A sink away from the process that keeps the store. It packs each part and sends it.

    send: may raise Interrupted, OSError. restore: turns a config of this machine into the
    driver's, where files have other names.
    """

    form: PartFormat
    send: Callable[[Packed], None]
    restore: Callable[[Config], Config] | None = None
    adopted: set[str] = field(default_factory=set)

    def number(self, run_id: str) -> int:
        return self.form.numbers[run_id]

    def append(self, part: Part) -> None:
        if self.restore is not None:
            configs = {i: (self.restore(c), choices) for i, (c, choices) in part.configs.items()}
            part = replace(part, configs=configs)
        packed = pack(part, self.form.swept, self.form.columns)
        self.send(packed)
        self.adopted |= set(packed.ids)
