"""One sweep that was measured, and what a run of it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.phases import OF_A_NODE


@dataclass(frozen=True)
class Measured:
    """A sweep of so many runs. found: see `phases.measured`. disk: bytes by kind of file.

    files: how many. report: seconds and peak MiB of `src.report`.
    """

    runs: int
    found: Mapping[str, Any]
    disk: Mapping[str, int]
    files: int
    report: tuple[float, float]

    def each(self, phase: str) -> float:
        """µs a run, by the clock."""
        return 1e6 * self.found["seconds"].get(phase, 0.0) / self.runs

    @property
    def cpu(self) -> float:
        """Core µs a run, all told."""
        return 1e6 * self.found["cpu"] / self.runs

    @property
    def on_nodes(self) -> float:
        """Core µs a run of the phases that a cluster's nodes would have."""
        spent = self.found["phase_cpu"]
        return 1e6 * sum(spent.get(phase, 0.0) for phase in OF_A_NODE) / self.runs

    @property
    def on_driver(self) -> float:
        """Core µs a run of all the rest."""
        return self.cpu - self.on_nodes

    @property
    def peak(self) -> float:
        """MiB, of the sweep."""
        return max(self.found["MiB"].values())


def slope(several: Sequence[Measured], mib: Mapping[int, float], least: float) -> float:
    """Bytes a run, from the two largest sweeps. mib: runs -> MiB; least: of a sweep of no runs."""
    points = {0: least} | {one.runs: mib[one.runs] for one in several}
    (n, low), (m, high) = list(points.items())[-2:]
    return 2**20 * max(high - low, 0.0) / (m - n)
