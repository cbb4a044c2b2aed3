"""What one run consists of: built objects and plain settings, no config."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.data.module import ExampleData
from src.module import Example


@dataclass(frozen=True)
class Labels:
    """How the rows of an example are called in tables and pictures."""

    input: str = "input"
    target: str = "target"
    unit: str | None = None
    classes: list[str] | None = None
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` logged points that improve by no more than `min_delta`."""

    patience: int
    min_delta: float = 0.0


@dataclass(frozen=True)
class Run:
    """One run, ready to be executed.

    probe: inputs in raw units, shape (probes, features), predicted at the end.
    config: the resolved config it was built from, as plain containers.
    ckpt: a checkpoint to continue from, already checked.
    """

    name: str
    seed: int
    module: Example
    data: ExampleData
    config: dict[str, Any]
    max_epochs: int
    log_every: int
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
    all_pictures: bool = False
    ckpt: Path | None = None

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.max_epochs * self.data.steps_per_epoch
