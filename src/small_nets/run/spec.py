"""What one run consists of: built objects and plain settings, no config."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from small_nets.data.feature_columns import Categories, in_terms_of_table
from small_nets.data.prepared import Prepared
from small_nets.nn.early_stopping import EarlyStop
from small_nets.nn.losses import Loss


@dataclass(frozen=True)
class Labels:
    """How the rows of an example are called in tables and pictures.

    columns: the names of a table's features ("age", "city=Paris"), None for an example.
    inputs, categories: the table's input columns, and the texts of each that holds texts.
    targets: the names of its target columns, where there are several.
    """

    input: str = "input"
    target: str = "target"
    unit: str | None = None
    classes: list[str] | None = None
    range: tuple[float, float] | None = None
    columns: list[str] | None = None
    inputs: Sequence[str] = ()
    categories: Categories | None = None
    targets: list[str] | None = None

    @property
    def is_table(self) -> bool:
        """Whether this is a table of the user's own."""
        return self.columns is not None

    def in_its_terms(self, row: Sequence[float]) -> Sequence[float | str | None]:
        """A row of features as the table has it, texts as texts."""
        if not self.categories:
            return row
        return in_terms_of_table(row, self.inputs, self.categories)

    def of_inputs(self, count: int) -> list[str]:
        """A name for each of so many input columns."""
        if count == 1:
            return [self.input]
        known = self.columns or []
        if len(known) == count:
            return known
        return [f"{self.input} {i}" for i in range(1, count + 1)]

    def of_targets(self, count: int) -> list[str]:
        """A name for each of so many target columns."""
        if count == 1:
            return [self.target]
        known = self.targets or []
        if len(known) == count:
            return known
        return [f"{self.target} {i}" for i in range(1, count + 1)]


@dataclass(frozen=True)
class Run:
    """One run, ready to be executed.

    net: (rows, features) -> (rows, outputs), in normalised units. make_optimizer: parameters ->
    optimizer. schedule: step -> factor of the learning rate. clip: the largest norm of the whole
    gradient, None for no limit.
    probe: inputs in raw units, shape (probes, features), predicted at the end.
    config: the resolved config it was built from, as plain containers.
    ckpt: a checkpoint to continue from, already checked.
    until: the epoch at which it is stopped, as a sweep's halving did; its schedule is the whole
    run's all the same.
    """

    name: str
    seed: int
    net: nn.Module
    loss: Loss
    make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    data: Prepared
    config: dict[str, Any]
    max_epochs: int
    log_every: int
    schedule: Callable[[int], float] | None = None
    clip: float | None = None
    print_every: int | None = None
    accelerator: str = "cpu"
    threads: int = 1
    early_stop: EarlyStop | None = None
    metrics: list[str] = field(default_factory=list)
    analysis: str | None = None
    probe: list[list[float]] | None = None
    labels: Labels = Labels()
    tensorboard: bool = True
    histograms: bool = True
    print_all: bool = False
    all_pictures: bool = False
    ckpt: Path | None = None
    until: int | None = None

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.max_epochs * self.data.steps_per_epoch

    @property
    def last_epoch(self) -> int:
        """The one at whose end training ends, if nothing ends it before."""
        return self.max_epochs if self.until is None else self.until
