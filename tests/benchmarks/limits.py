"""What many runs on many machines would need, by what few of them took here, and what ends first.

Extrapolated, and not tried: everything grows with the runs as it did between the two largest
sweeps that were measured.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from small_nets.sweep.results.summary import duration, size
from tests.benchmarks.measured import Measured, slope
from tests.benchmarks.parts import Parts, lines

RUNS, NODES = 10**9, 1000
TASK = 20.0  # seconds, as in conf/executor/ray.yaml
WIRE = 1.25e9  # bytes a second into the driver: 10 Gbit/s
DAY = 86_400.0
FILES = 10_000_000  # of a folder, beyond which file systems and people give up


@dataclass(frozen=True)
class Machine:
    """cores; memory, disk: bytes."""

    cores: int
    memory: float
    disk: float

    @classmethod
    def this(cls) -> "Machine":
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(len(os.sched_getaffinity(0)), memory, shutil.disk_usage(".").total)


@dataclass(frozen=True)
class Rates:
    """Of a run: core seconds on a node and on the driver, and those before any training; bytes of

    the driver's memory when it has planned, and at its end, of the report's, of sweep.json and of
    all files; files. tasks: a run's share of one.
    """

    node: float
    driver: float
    before: float
    planned: float
    ended: float
    report: float
    about: float
    disk: float
    files: float
    tasks: float

    @classmethod
    def of(cls, several: Sequence[Measured]) -> "Rates":
        last = several[-1]
        least = last.found["MiB"]["import"]
        planned = {one.runs: one.found["MiB"]["plan"] for one in several}
        node = 1e-6 * last.on_nodes
        return cls(
            node=node,
            driver=1e-6 * last.on_driver,
            before=1e-6 * sum(map(last.each, ("expanding", "planning", "beginning"))),
            planned=slope(several, planned, least),
            ended=slope(several, {one.runs: one.peak for one in several}, least),
            report=slope(several, {one.runs: one.report[1] for one in several}, least),
            about=last.disk["sweep.json"] / last.runs,
            disk=sum(last.disk.values()) / last.runs,
            files=last.files / last.runs,
            tasks=node / TASK,
        )


Row = tuple[str, str, str]


def _needs(r: Rates, several: Sequence[Parts], machine: Machine) -> Iterator[Row]:
    cores = NODES * machine.cores
    yield ("core-hours", f"runs x ({1e6 * r.node:.0f} + {1e6 * r.driver:.0f}) µs",
           f"{RUNS * (r.node + r.driver) / 3600:,.0f}")  # fmt: skip
    yield ("the nodes, by the clock", f"runs x {1e6 * r.node:.0f} µs / {cores:,} cores",
           duration(RUNS * r.node / cores))  # fmt: skip
    yield ("the driver, in all", f"runs x {1e6 * r.driver:.0f} µs, one core",
           duration(RUNS * r.driver))  # fmt: skip
    yield ("of that, before the first run trains", f"runs x {1e6 * r.before:.0f} µs",
           duration(RUNS * r.before))  # fmt: skip
    yield ("the driver's memory, planned", f"runs x {r.planned:,.0f} bytes", size(RUNS * r.planned))
    yield ("the same, at the end", f"runs x {r.ended:,.0f} bytes", size(RUNS * r.ended))
    yield ("the report's memory", f"runs x {r.report:,.0f} bytes", size(RUNS * r.report))
    yield ("sweep.json", f"runs x {r.about:.0f} bytes", size(RUNS * r.about))
    yield ("disk", f"runs x {r.disk:,.0f} bytes", size(RUNS * r.disk))
    yield "files", f"runs / {1 / r.files:,.0f}", f"{RUNS * r.files:,.0f}"
    yield ("tasks", f"runs x {1e6 * r.node:.0f} µs / {TASK:g} s", f"{RUNS * r.tasks:,.0f}")
    if several:
        found = lines(several)
        seconds, got = found["seconds"], found["got"]
        yield ("driver, sending and keeping through Ray",
               f"tasks x {1e3 * seconds.task:.2g} ms + runs x {1e6 * seconds.run:.2g} µs",
               duration(RUNS * (r.tasks * seconds.task + seconds.run)))  # fmt: skip
        yield ("bytes into the driver, at 10 Gbit/s",
               f"(tasks x {got.task:,.0f} + runs x {got.run:,.0f} bytes) / {WIRE:.3g}",
               duration(RUNS * (r.tasks * got.task + got.run) / WIRE))  # fmt: skip


def _limits(r: Rates, several: Sequence[Parts], machine: Machine) -> Iterator[tuple[str, float]]:
    """What is exhausted, and by how many runs."""
    memory = size(machine.memory)
    yield f"the driver's memory, {memory}, when it has planned", machine.memory / r.planned
    yield f"the driver's memory, {memory}, at the end", machine.memory / r.ended
    yield f"the report's memory, {memory}", machine.memory / r.report
    yield f"the driver's disk, {size(machine.disk)}", machine.disk / r.disk
    yield f"{FILES:,} files", FILES / r.files
    yield "a day until the first run trains", DAY / r.before
    yield "a day of the driver's", DAY / r.driver
    yield "a day of the nodes'", DAY * NODES * machine.cores / r.node
    if several:
        seconds = lines(several)["seconds"]
        yield "a day of sending and keeping", DAY / (r.tasks * seconds.task + seconds.run)


def needs_table(several: Sequence[Measured], parts: Sequence[Parts], machine: Machine) -> Table:
    """Formula and value of each need of a billion runs."""
    table = Table(title=f"{RUNS:,} runs on {NODES:,} machines of {machine.cores} cores, "
                        f"by {several[-1].runs:,} here")  # fmt: skip
    table.add_column("what")
    table.add_column("formula")
    table.add_column("", justify="right")
    for row in _needs(Rates.of(several), parts, machine):
        table.add_row(*row)
    return table


def limits_table(several: Sequence[Measured], parts: Sequence[Parts], machine: Machine) -> Table:
    """What ends first, the first on top."""
    rates = Rates.of(several)
    busy = rates.node / rates.driver
    table = Table(title="What ends first")
    table.add_column("what")
    table.add_column("reached at runs", justify="right")
    for what, runs in sorted(_limits(rates, parts, machine), key=lambda row: row[1]):
        table.add_row(what, f"{runs:,.0f}")
    table.caption = (
        f"One driver keeps {busy:.1f} cores busy ({1e6 * rates.node:.0f} µs of a node for "
        f"{1e6 * rates.driver:.0f} µs of the driver): with more, training waits for it."
    )
    return table
