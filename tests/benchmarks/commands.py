"""Whole commands, with everything they store: `python -m tests.benchmarks.sweep commands`.

A process of its own that imports little: Linux counts what a parent holds when it starts a child
as memory that the child has held.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent.parent
MLP, SINE, GATE = (f"+experiment={n}" for n in ("temperature_mlp", "sine", "and_gate_tensors"))
EPOCHS = 1_000_000
# temperature_mlp as it stands: rows, sizes, steps, Adam, activations.
JAX = (9, [1, 8, 1], 5000, False, "identity", "tanh")


@dataclass(frozen=True)
class Cost:
    """seconds: by the clock. memory: the most that was held, in MiB."""

    seconds: float
    memory: float | None = None

    @property
    def held(self) -> str:
        return "" if self.memory is None else f"{self.memory:.0f}"


@dataclass(frozen=True)
class Row:
    """A command, its runs, and what it is read beside."""

    overrides: tuple[str, ...]
    runs: int = 1
    beside: tuple[str, Callable[[], Cost]] | None = None


def python(*arguments: str) -> Cost:
    """A Python process in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            raise RuntimeError(said.read().decode())
        return Cost(seconds, used.ru_maxrss / 1024)


def train(*overrides: str) -> Cost:
    return python("-m", "src.train", *overrides)


def by_jax(models: int) -> Cost:
    """A bare script that trains as many and writes nothing."""
    return python("-m", "tests.benchmarks.jax_sweep", json.dumps([models, *JAX]))


def by_the_loop() -> Cost:
    """What the notebook's loop would take for `sine`, by the time of a few of its steps."""
    from tests.benchmarks.cases import CASES  # torch: not before the last command has run
    from tests.benchmarks.ways import loop

    (case,) = (case for case in CASES if case.name == "sine")
    return Cost(loop(case)() * EPOCHS)


def rows(with_long: bool) -> list[Row]:
    several: list[Row] = [
        Row(("-m", MLP, "seed=range(3)", "hydra/launcher=basic"), 3),
        Row(("-m", MLP, "seed=range(1000)"), 1000),
        Row(("-m", MLP, "seed=range(10000)"), 10_000, ("JAX script", lambda: by_jax(10_000))),
        Row(("-m", SINE, "seed=range(3)", "hydra/launcher=basic"), 3),
        Row(("-m", SINE, "seed=range(100)"), 100),
        Row((GATE, "engine=fused"), 1, ("Lightning", lambda: train(GATE))),
        Row((SINE, f"trainer.max_epochs={EPOCHS}", "engine=fused"), 1,
            ("loop, by some steps", by_the_loop)),
    ]  # fmt: skip
    if with_long:
        several.insert(3, Row(("-m", MLP, "seed=range(100000)"), 100_000))
    return several


def table_of(several: list[Row]) -> Table:
    table = Table(title="Whole commands, everything stored")
    for column in ("command", "runs", "seconds", "a run", "MiB", "beside", "seconds", "MiB"):
        table.add_column(column, justify="left" if column in ("command", "beside") else "right")
    for row in several:
        cost = train(*row.overrides)
        cells = [
            " ".join(row.overrides), f"{row.runs:,}", f"{cost.seconds:.1f}",
            f"{cost.seconds / row.runs:.3g}", cost.held,
        ]  # fmt: skip
        if row.beside is not None:
            name, measure = row.beside
            other = measure()
            cells += [name, f"{other.seconds:.1f}", other.held]
        table.add_row(*cells)
    return table


if __name__ == "__main__":
    Console(width=140).print(table_of(rows("long" in sys.argv)))
