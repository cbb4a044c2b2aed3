"""The examples whose training steps are timed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from small_nets.engines.cohort import Cohort
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.cohorts.start import start

ROOT = Path(__file__).parent.parent.parent
CORES = len(os.sched_getaffinity(0))
Measure = Callable[[], float]  # seconds of a step and model


@dataclass(frozen=True)
class Case:
    """An example of so many models.

    steps: how many are timed; of the kernels more, or a measurement would be over too soon.
    bound: its name in bound.cpp, where it has one.
    """

    name: str
    overrides: tuple[str, ...]
    models: int
    steps: int
    kernel_steps: int
    bound: str | None = None


TARGETS = "[" + ",".join(["[0.1,0.3]"] * 100) + "]"
CASES = [
    Case("temperature_mlp, 13", ("+experiment=temperature_mlp", "model.width=13"), 1024, 1000,
         10_000, "temperature_mlp"),
    Case("sine", ("+experiment=sine",), 128, 100, 1000, "sine"),
    Case("sine, 20", ("+experiment=sine", "model.width=20"), 128, 100, 300),
    Case("sine, [5,5]", ("+experiment=sine", "model.width=[5,5]"), 128, 100, 300),
    Case(
        "feedforward, 100 rows",
        ("+experiment=feedforward", "optimizer=adam", "data.source.rows=100",
         f"data.source.targets={TARGETS}"),
        128, 100, 100,
    ),
]  # fmt: skip


def configs(case: Case, steps: int) -> list[dict[str, Any]]:
    base = compose_settings(
        *case.overrides, f"trainer.max_epochs={steps}", f"log_every={steps}", "logger=none"
    )[0]
    return [
        base | {"seed": i, "data": base["data"] | {"split_seed": i}} for i in range(case.models)
    ]


def cohort(several: list[dict[str, Any]]) -> Cohort:
    found = start(several).cohort
    assert found is not None, "what is timed can be built"
    return found


def parts(case: Case, steps: int, size: int) -> list[Cohort]:
    """All models of a case, in parts of so many."""
    several = configs(case, steps)
    return [cohort(several[i : i + size]) for i in range(0, case.models, size)]
