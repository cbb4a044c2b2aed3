"""Parts that went through Ray: how many a second, how large, and what each costs the driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from rich.table import Table

DRIVING = ("submitting", "fetching", "keeping", "writing", "bars")  # the driver's work for a task


@dataclass(frozen=True)
class Parts:
    """A sweep of so many runs through Ray. found: see `phases` and `traffic`."""

    runs: int
    found: Mapping[str, Any]

    @property
    def tasks(self) -> int:
        return self.found["calls"]["keeping"]

    @property
    def each(self) -> float:
        """Runs a task."""
        return self.runs / self.tasks

    @property
    def driving(self) -> float:
        """Seconds that the driver spends on a task, by the clock."""
        return sum(self.found["seconds"].get(phase, 0.0) for phase in DRIVING) / self.tasks

    def bytes(self, way: str) -> float:
        """Bytes of a task with so many runs, on average. way: sent, got."""
        return float(np.mean([size for _, size in self.found[way]]))


@dataclass(frozen=True)
class Line:
    """task + run * runs: what a task costs, and each of its runs."""

    task: float
    run: float


def line(sizes: Sequence[float], costs: Sequence[float]) -> Line:
    """Through measurements, none below zero; each counts by its share, not by its size."""
    ones = np.ones(len(costs))
    rows = np.stack([ones, np.asarray(sizes)], axis=1) / np.asarray(costs)[:, None]
    (task, run), *_ = np.linalg.lstsq(rows, ones, rcond=None)
    return Line(max(float(task), 0.0), max(float(run), 0.0))


def lines(several: Sequence[Parts]) -> dict[str, Line]:
    """seconds: of the driver. sent, got: bytes."""
    found = {"seconds": line([p.each for p in several], [p.driving for p in several])}
    for way in ("sent", "got"):
        pairs = [pair for parts in several for pair in parts.found[way]]
        found[way] = line([n for n, _ in pairs], [size for _, size in pairs])
    return found


def parts_table(several: Sequence[Parts]) -> Table:
    table = Table(title=f"{several[0].runs:,} runs through Ray, on this machine")
    for column in ("runs a task", "tasks", "tasks a second", "s, sent to kept", "driver, ms a task",
                   "bytes sent", "bytes got"):  # fmt: skip
        table.add_column(column, justify="right")
    for parts in several:
        table.add_row(
            f"{parts.each:.0f}", f"{parts.tasks:,}", f"{parts.tasks / parts.found['span']:.1f}",
            f"{median(parts.found['waits']):.2f}", f"{1e3 * parts.driving:.1f}",
            f"{parts.bytes('sent'):,.0f}", f"{parts.bytes('got'):,.0f}",
        )  # fmt: skip
    found = lines(several)
    table.caption = (
        f"a task of n runs: driver {1e3 * found['seconds'].task:.2g} ms + n x "
        f"{1e6 * found['seconds'].run:.2g} µs; sent {found['sent'].task:,.0f} + n x "
        f"{found['sent'].run:,.0f} bytes; got {found['got'].task:,.0f} + n x "
        f"{found['got'].run:,.0f} bytes"
    )
    return table
