"""How fast is a sweep? `python -m tests.benchmarks.sweep`

µs per training step and model, side by side in one run: the hand-written loop (one model at a
time), the stacked engine eager and compiled, the fused engine, `jit(vmap(scan))` of the same
training in JAX (extra `bench`; left out where it is not installed), and what the machine can do,
written by hand in C++ for two of the examples (where there is g++). Then whole commands, with
everything they store.

    python -m tests.benchmarks.sweep steps           only the first table
    python -m tests.benchmarks.sweep commands        only the second
    python -m tests.benchmarks.sweep commands long   with a sweep of 100,000 runs
"""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.benchmarks.bound import bound
from tests.benchmarks.cases import CASES, CORES, ROOT, Case, Measure
from tests.benchmarks.ways import by_jax, fused, loop, stacked

REPEATS = 3
NONE = "-"
WAYS = ("loop", "eager", "compiled", "fused", "JAX", "bound")
RATIOS = (("loop", "fused"), ("JAX", "fused"), ("fused", "bound"))


def in_turn(measures: Mapping[str, Measure | None]) -> dict[str, float]:
    """The least time of each way: what others do on the machine only ever adds.

    One after the other, and all again: a slow minute then falls on all.
    """
    there = {name: measure for name, measure in measures.items() if measure is not None}
    rounds = [{name: measure() for name, measure in there.items()} for _ in range(REPEATS)]
    return {name: min(found[name] for found in rounds) for name in there}


def measured(case: Case) -> dict[str, float]:
    """Seconds per step and model of each way that there is."""
    with ExitStack() as until_done:
        return in_turn({
            "loop": loop(case),
            "eager": stacked(case, False),
            "compiled": stacked(case, True),
            "fused": fused(case),
            "JAX": until_done.enter_context(by_jax(case)),
            "bound": until_done.enter_context(bound(case)),
        })  # fmt: skip


def figures(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def steps_table() -> Table:
    table = Table(title=f"µs per step and model, {CORES} cores, best of {REPEATS}")
    table.add_column("example")
    for column in ("models", *WAYS, *(f"{a} / {b}" for a, b in RATIOS)):
        table.add_column(column, justify="right")
    for case in CASES:
        found = measured(case)
        each = [figures(found[way] * 1e6) if way in found else NONE for way in WAYS]
        ratios = [
            figures(found[a] / found[b]) if a in found and b in found else NONE for a, b in RATIOS
        ]
        table.add_row(case.name, str(case.models), *each, *ratios)
    return table


def main() -> None:
    if "commands" not in sys.argv:
        Console(width=140).print(steps_table())
    if "steps" not in sys.argv:
        command = [sys.executable, "-m", "tests.benchmarks.commands", *sys.argv[1:]]
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
