"""What does a run cost, and what would a billion? `python -m tests.benchmarks.scale`

µs a run of each phase of a sweep of temperature_mlp, 100 epochs, for ever more runs: each in a
fresh process, everything stored, its functions wrapped from outside. Phases overlap (training is in
threads), so that they add up to more than the whole; CPU is of all cores. Then bytes on disk, and
what follows for a billion runs on a thousand machines like this one, as formulas.

With --ray also parts a second, and bytes a part, through a Ray of this machine's own: parts of few
runs, for what each costs.

Tables go to outputs/benchmarks/scale/. A quarter of an hour and 3 GB of disk; a minute with

    python -m tests.benchmarks.scale --most 10000 --ray
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from small_nets.sweep.store.manifest import KINDS
from tests.benchmarks.commands import python
from tests.benchmarks.limits import Machine, limits_table, needs_table
from tests.benchmarks.measured import Measured
from tests.benchmarks.parts import Parts, parts_table
from tests.benchmarks.phases import PHASES

LEAST = 1000
SECONDS = (0.01, 0.05, 0.5)  # of a task, for Ray: from the smallest parts on


def sweep(runs: int, rates: int, folder: Path, *more: str) -> dict[str, Any]:
    """What a sweep took, in a process of its own. rates: so many settings share the seeds."""
    lr = ",".join(f"{0.001 * (1 + i):g}" for i in range(rates))
    file = folder / "found.json"
    python(
        "-m", "tests.benchmarks.phases", str(file), "+experiment=temperature_mlp",
        "trainer.max_epochs=100", f"seed=range({max(runs // rates, 1)})", f"optimizer.lr={lr}",
        f"sweep.max_runs={max(runs, rates)}", f"sweep.dir={folder}/sweep", *more,
    )  # fmt: skip
    return json.loads(file.read_text())


def _sizes(directory: Path) -> tuple[dict[str, int], int]:
    files = [path for kind in KINDS for path in (directory / kind).glob("*")]
    sizes = {kind: sum(p.stat().st_size for p in files if p.parent.name == kind) for kind in KINDS}
    sizes["sweep.json"] = (directory / "sweep.json").stat().st_size
    return {kind: size for kind, size in sizes.items() if size}, len(files)


def measure(runs: int, rates: int) -> Measured:
    """A sweep and its report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = sweep(runs, rates, folder)
        disk, files = _sizes(folder / "sweep")
        shown = python("-m", "src.report", str(folder / "sweep"))
        return Measured(runs, found, disk, files, (shown.seconds, shown.memory or 0.0))


def through_ray(runs: int, rates: int) -> Iterator[Parts]:
    """The same sweep through Ray, cut more and more coarsely."""
    for seconds in SECONDS:
        with tempfile.TemporaryDirectory() as name:
            found = sweep(runs, rates, Path(name), "executor=ray", "executor.stay_local=0",
                          f"executor.part_seconds={seconds}")  # fmt: skip
        yield Parts(runs, found)


def _row(table: Table, name: str, several: Sequence[Measured], value: Any) -> None:
    table.add_row(name, *(f"{value(one):,.3g}" if value(one) < 1000 else f"{value(one):,.0f}"
                          for one in several))  # fmt: skip


def phases_table(several: Sequence[Measured]) -> Table:
    table = Table(title="µs a run; phases overlap, training is of all threads together")
    table.add_column("phase")
    for one in several:
        table.add_column(f"{one.runs:,} runs", justify="right")
    for phase in PHASES:
        _row(table, phase, several, lambda one, phase=phase: one.each(phase))
    _row(table, "whole, by the clock", several, lambda one: 1e6 * one.found["whole"] / one.runs)
    _row(table, "whole, CPU", several, lambda one: one.cpu)
    _row(table, "report", several, lambda one: 1e6 * one.report[0] / one.runs)
    table.add_section()
    _row(table, "whole, seconds", several, lambda one: one.found["whole"])
    _row(table, "report, seconds", several, lambda one: one.report[0])
    for name in ("plan", "train", "conclude"):
        _row(table, f"MiB, peak up to {name}", several,
             lambda one, name=name: one.found["MiB"].get(name, 0.0))  # fmt: skip
    _row(table, "MiB, report", several, lambda one: one.report[1])
    table.add_section()
    for kind in several[-1].disk:
        _row(table, f"bytes a run: {kind}", several,
             lambda one, kind=kind: one.disk.get(kind, 0) / one.runs)  # fmt: skip
    _row(table, "files", several, lambda one: one.files)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("--most", type=int, default=1_000_000, help="runs (%(default)s)")
    parser.add_argument("--rates", type=int, default=20,
                        help="learning rates; the rest are seeds (%(default)s)")  # fmt: skip
    parser.add_argument("--ray", action="store_true", help="also through a Ray of one's own")
    parser.add_argument("--ray-runs", type=int, default=10_000, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmarks/scale"))
    options = parser.parse_args()
    if options.most < LEAST:
        parser.error(f"--most {options.most} is too few.\nAllowed: {LEAST} or more")
    with tempfile.TemporaryDirectory() as name:
        sweep(options.rates, options.rates, Path(name))  # compiles
    several: list[Measured] = []
    runs = LEAST
    while runs <= options.most:
        several.append(measure(runs, options.rates))
        print(f"{runs:,} runs: {several[-1].found['whole']:.1f} s", file=sys.stderr)
        runs *= 10
    parts = list(through_ray(options.ray_runs, options.rates)) if options.ray else []
    tables = [phases_table(several)]
    tables += [parts_table(parts)] if parts else []
    machine = Machine.this()
    tables += [needs_table(several, parts, machine), limits_table(several, parts, machine)]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "table.txt").open("w") as file:
        for table in tables:
            Console(width=150).print(table)
            Console(file=file, width=150).print(table)
    print(f"{options.out}/table.txt")


if __name__ == "__main__":
    main()
