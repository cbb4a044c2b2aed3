"""Where trained parts go: a sweep's store, or what stands for it on another machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from src.engines.cohort import Interrupted
from src.sweep.expand import Job
from src.sweep.packed import Packed, Part, pack
from src.sweep.tables import Config


class Sink(Protocol):
    """What training needs of a store."""

    def number(self, run_id: str) -> int:
        """The job number of a run."""
        ...

    def append(self, name: str, part: Part) -> None:
        """Keep a part. Raises OSError."""
        ...

    @property
    def adopted(self) -> set[str]:
        """The runs that were kept here."""
        ...


@dataclass(frozen=True)
class Form:
    """What a part must look like to fit into a store.

    directory: the store's. numbers: run_id -> job number. swept, columns: see `pack`.
    """

    directory: Path
    numbers: Mapping[str, int]
    swept: Mapping[str, Any]
    columns: list[str]

    def only(self, jobs: Sequence[Job]) -> "Form":
        """For these jobs: with the numbers of all, thousands of tasks would be sent millions."""
        ids = [job.identity for job in jobs]
        return replace(self, numbers={run_id: self.numbers[run_id] for run_id in ids})


@dataclass
class Parcels:
    """Keeps the parts in memory, packed, to be sent.

    restore: what a run's config is at home, where files have other names.
    """

    form: Form
    restore: Callable[[Config], Config] | None = None
    parts: dict[str, Packed] = field(default_factory=dict)
    adopted: set[str] = field(default_factory=set)

    def number(self, run_id: str) -> int:
        return self.form.numbers[run_id]

    def append(self, name: str, part: Part) -> None:
        if self.restore is not None:
            configs = {i: (self.restore(c), choices) for i, (c, choices) in part.configs.items()}
            part = replace(part, configs=configs)
        self.parts[name] = packed = pack(part, self.form.swept, self.form.columns)
        self.adopted |= set(packed.ids)


@dataclass
class SharedFolder:
    """Writes the parts into a store that another process keeps.

    wrote: told each part's name, runs and columns, once its files are there. given_up: whether
    somebody else has these runs now; nothing is written then, and Interrupted is raised.
    """

    form: Form
    wrote: Callable[[str, list[str], list[str]], None]
    given_up: Callable[[], bool] = lambda: False
    adopted: set[str] = field(default_factory=set)

    def number(self, run_id: str) -> int:
        return self.form.numbers[run_id]

    def append(self, name: str, part: Part) -> None:
        packed = pack(part, self.form.swept, self.form.columns)
        self._refuse_given_up()
        packed.write(self.form.directory, name)
        self._refuse_given_up()  # in the meantime; `Store.drop_duplicates` finds what it left
        self.adopted |= set(packed.ids)
        self.wrote(name, packed.ids, packed.columns)

    def _refuse_given_up(self) -> None:
        if self.given_up():
            raise Interrupted
