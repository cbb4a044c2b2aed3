"""Cuts a plan into tasks, which any machine can train, and decides what to retry."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from small_nets.sweep.cohorts.prepare import Ready
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Group, Plan
from small_nets.sweep.store.part import Packed

PER_RUN = 4e-4  # seconds that a run takes besides its training: start, row, files
ALONE = 1e-3  # seconds of a step through Lightning
STRIKES = 3  # so many deaths of a worker are blamed on its runs


@dataclass(frozen=True)
class Task:
    """Runs that a worker trains: members of one cohort, or runs that go alone.

    seconds: estimated. reasons: run_id -> why it goes alone; empty for a cohort. strikes: how many
    workers died of this task.
    """

    group: Group
    seconds: float
    reasons: Mapping[str, str] = field(default_factory=dict)
    strikes: int = 0

    @property
    def jobs(self) -> list[Job]:
        """The jobs of its runs."""
        return self.group.jobs

    @property
    def title(self) -> str:
        """The title of its group, as the progress bar shows it."""
        return self.group.title

    def plan(self) -> Plan:
        """The plan of a sweep of these runs alone."""
        if self.reasons:
            return Plan(alone=[(job, self.reasons[job.run_id]) for job in self.jobs])
        # A list of its own, from which `prepare` may move jobs.
        return Plan(groups=[replace(self.group, jobs=list(self.jobs))])


@dataclass(frozen=True)
class Done:
    """A task that ended.

    failed: run_id -> message. parts: those that the driver has to write; none from a worker that
    shares the store's folder and wrote them itself.
    """

    failed: Mapping[str, str]
    parts: Sequence[Packed] = ()


@dataclass(frozen=True)
class Lost:
    """A task whose worker died. by_itself: whether the worker died alone, not its machine."""

    why: str
    by_itself: bool


def tasks_of(plan: Plan, ready: Sequence[Ready], seconds: float, slots: int) -> Iterator[Task]:
    """Yield the tasks of a plan, each of about so many seconds.

    A task may be as short as half of that, so that all slots have one.
    """
    for group in ready:
        each = group.seconds / len(group.group.jobs) + PER_RUN
        for some in _pieces(group.group, each, group.lowered.sizes[0], seconds, slots):
            yield Task(some, each * len(some.jobs))
    if plan.alone:
        reasons = {job.run_id: reason for job, reason in plan.alone}
        alone = Group([job for job, _ in plan.alone], "alone")
        each = alone_seconds(alone.jobs) / len(alone.jobs)
        for some in _pieces(alone, each, 1, seconds, slots):
            mine = {job.run_id: reasons[job.run_id] for job in some.jobs}
            yield Task(some, each * len(some.jobs), mine)


def _pieces(group: Group, each: float, least: int, seconds: float, slots: int) -> Iterator[Group]:
    """Cut a group. each: seconds of a run. least: every size is a multiple of it."""
    fair = math.ceil(len(group.jobs) / slots)
    most = max(int(seconds / each), 1)
    size = math.ceil(min(max(fair, most // 2), most) / least) * least
    return group.pieces(size)


def expected_seconds(plan: Plan, ready: Sequence[Ready]) -> float:
    """The estimated seconds of the whole plan on one core."""
    together = sum(group.seconds + PER_RUN * len(group.group.jobs) for group in ready)
    return together + alone_seconds([job for job, _ in plan.alone])


def alone_seconds(jobs: Sequence[Job]) -> float:
    """The estimated seconds of training these runs one after another through Lightning."""
    return sum(0.05 + ALONE * job.settings()["trainer"]["max_epochs"] for job in jobs)


def retried(task: Task, left: Sequence[int], lost: Lost) -> list[Task]:
    """The tasks to try after a task was lost; none where a single run killed its worker.

    left: the places of the task's jobs that are not stored.

    If three workers die of the same runs, one of these runs is to blame. They are split in half,
    and again at each further death, until that run is alone. If its worker dies then, too, the run
    is not tried again. The loss of a whole machine is blamed on no run.
    """
    if not lost.by_itself:
        return [replace(task, group=task.group.at(left))]
    strikes = task.strikes + 1
    if strikes < STRIKES:
        return [replace(task, group=task.group.at(left), strikes=strikes)]
    if len(left) == 1:
        return []
    middle = len(left) // 2
    share = task.seconds / 2
    return [
        replace(task, group=task.group.at(some), seconds=share, strikes=STRIKES - 1)
        for some in (left[:middle], left[middle:])
    ]
