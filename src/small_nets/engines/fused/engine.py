"""The fused engine behind the interface of `Lowered`. Imported only on demand: it needs LLVM."""

from collections.abc import Callable
from dataclasses import dataclass

from small_nets.engines.cohort import Cohort, Trained, nothing
from small_nets.engines.engine import probe
from small_nets.engines.fused.program import Program
from small_nets.engines.fused.train import train
from small_nets.engines.sharpness import seconds_along
from small_nets.engines.snapshot import Paused

SECONDS = 20.0  # of a part, about; so much is lost when a sweep is killed
SPEED = 3e9  # multiplications of a core in a second, at least
MOST = 4096  # members of a part


@dataclass(frozen=True)
class Fused:
    """A program of the fused engine."""

    program: Program
    sizes: tuple[int, int]
    name: str = "fused"

    @classmethod
    def of(cls, member: Cohort, program: Program) -> "Fused":
        least = 1 if program.architecture.rows_in_lanes else program.lanes
        each = _seconds(member, program) + seconds_along(member)
        usual = int(min(max(SECONDS / max(each, 1e-9), least), MOST)) // least * least
        return cls(program, (least, usual))

    @property
    def is_slow_to_probe(self) -> bool:
        return not self.program.is_compiled

    def guess(self, member: Cohort, part: int) -> float:
        return part * _seconds(member, self.program)

    def train(
        self, cohort: Cohort, part: int, tick: Callable[[int], None] = nothing,
        since: Paused | None = None, until: int | None = None,
    ) -> Trained:  # fmt: skip
        del part  # a kernel takes any number of members
        return train(cohort, self.program, tick, since, until)

    def probe(self, member: Cohort, part: int, workers: int) -> float:
        units = self.program.units(part)
        return units * probe(lambda cohort: train(cohort, self.program), member, 100, workers)


def _seconds(member: Cohort, program: Program) -> float:
    """Estimate the seconds of a member's training from shapes alone; an upper limit."""
    rows = program.places(member.train.count, member.batch).rows[0].numel()
    return member.steps * rows * program.architecture.numbers / SPEED
