"""The interface of a cohort's program in each engine, and the stacked engine's."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Protocol

from small_nets.engines.cohort import Cohort, Trained, nothing
from small_nets.engines.snapshot import Paused
from small_nets.engines.stacked import train as stacked
from small_nets.engines.stacked.cost import eager_seconds, lanes_for, part_sizes
from small_nets.engines.stacked.program import Program

Tick = Callable[[int], None]


class Lowered(Protocol):
    """A cohort's program in some engine."""

    @property
    def name(self) -> str:
        """The engine's name."""
        ...

    @property
    def sizes(self) -> tuple[int, int]:
        """The least and the usual number of members of a part."""
        ...

    @property
    def is_slow_to_probe(self) -> bool:
        """Whether probing would have to compile first."""
        ...

    def train(
        self, cohort: Cohort, part: int, tick: Tick = nothing,
        since: Paused | None = None, until: int | None = None,
    ) -> Trained:  # fmt: skip
        """Train a cohort of at most `part` members.

        tick: called with the number of epochs done. since: the paused members to go on from; the
        cohort's own start is then not read. until: the epoch at which to pause.
        """
        ...

    def guess(self, member: Cohort, part: int) -> float:
        """Estimate the seconds of a full part's whole training from shapes alone."""
        ...

    def probe(self, member: Cohort, part: int, workers: int) -> float:
        """Measure the seconds of a step of a full part, while all workers train."""
        ...


@dataclass(frozen=True)
class Stacked:
    """A program of the stacked engine."""

    program: Program
    sizes: tuple[int, int]

    @classmethod
    def of(cls, member: Cohort, program: Program) -> "Stacked":
        return cls(program, part_sizes(member, program.compiled))

    @property
    def name(self) -> str:
        return "stacked, compiled" if self.program.compiled else "stacked"

    @property
    def is_slow_to_probe(self) -> bool:
        return self.program.compiled

    def guess(self, member: Cohort, part: int) -> float:
        del part  # the estimate is for a full part
        return eager_seconds(member)

    def train(
        self, cohort: Cohort, part: int, tick: Tick = nothing,
        since: Paused | None = None, until: int | None = None,
    ) -> Trained:  # fmt: skip
        # Where the program depends on the size, all parts get one size: another would be traced
        # while other threads train.
        fixed = self.program.compiled or self.program.layout == "first"
        lanes = lanes_for(part, self.sizes) if fixed else None
        return stacked.train(cohort, self.program, tick, lanes, since, until)

    def probe(self, member: Cohort, part: int, workers: int) -> float:
        lanes = lanes_for(part, self.sizes)

        def run(cohort: Cohort) -> None:
            stacked.train(cohort, self.program, lanes=lanes)

        return probe(run, member, 8, workers)


def probe(run: Callable[[Cohort], object], member: Cohort, steps: int, workers: int) -> float:
    """Measure the seconds of a step while `workers` threads run. steps: to run at least."""
    if member.epochs == 0:
        return 0.0
    each = member.steps // member.epochs
    few = math.ceil(steps / each)

    def timed(epochs: int, at_once: int = workers) -> float:
        cohort = replace(member, epochs=epochs, log_every=epochs)
        # Each with a net of its own: `functional_call` puts parameters into it, and takes them out.
        cohorts = [replace(cohort, net=deepcopy(member.net)) for _ in range(at_once)]
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(run, cohorts))
        return time.perf_counter() - began

    timed(few, 1)  # traces and compiles, in one thread alone
    # The difference, without what a part costs before its first step and after its last; the
    # least of two, since whatever else the machine does only adds to it.
    long, short = (min(timed(epochs), timed(epochs)) for epochs in (3 * few, few))
    return max(long - short, 0.0) / (2 * few * each)
