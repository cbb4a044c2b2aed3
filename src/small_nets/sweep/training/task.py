"""Some runs of a sweep as a task that any machine can do, and what becomes of one that is lost."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from small_nets.sweep.cohorts.prepare import Ready
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Group, Plan
from small_nets.sweep.store.part import Packed

PER_RUN = 4e-4  # seconds beside the training: its start, its row, its share of the files
ALONE = 1e-3  # seconds of a step through Lightning
STRIKES = 3


@dataclass(frozen=True)
class Task:
    """Runs of one cohort, or, with a reason each, runs that go alone.

    seconds: about. strikes: how often a worker has died of it.
    """

    group: Group
    seconds: float
    reasons: Mapping[str, str] = field(default_factory=dict)
    strikes: int = 0

    @property
    def jobs(self) -> list[Job]:
        return self.group.jobs

    @property
    def title(self) -> str:
        return self.group.title

    def plan(self) -> Plan:
        """What is to be done, as for a sweep of these runs alone."""
        if self.reasons:
            return Plan(alone=[(job, self.reasons[job.run_id]) for job in self.jobs])
        return Plan(groups=[replace(self.group, jobs=list(self.jobs))])  # of which some may go


@dataclass(frozen=True)
class Done:
    """A task that came to its end. failed: run -> message.

    parts: those to be written yet; a worker that shares the store's folder has written its own.
    """

    failed: Mapping[str, str]
    parts: Sequence[Packed] = ()


@dataclass(frozen=True)
class Lost:
    """A task that its worker did not end. by_itself: nothing else on its machine died."""

    why: str
    by_itself: bool


def tasks_of(plan: Plan, ready: Sequence[Ready], seconds: float, slots: int) -> Iterator[Task]:
    """The tasks of a plan, each of about so many seconds, or half of that to fill the slots."""
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
    fair = math.ceil(len(group.jobs) / slots)
    most = max(int(seconds / each), 1)
    size = math.ceil(min(max(fair, most // 2), most) / least) * least
    return group.pieces(size)


def expected_seconds(plan: Plan, ready: Sequence[Ready]) -> float:
    """Of the whole plan on one core, about."""
    together = sum(group.seconds + PER_RUN * len(group.group.jobs) for group in ready)
    return together + alone_seconds([job for job, _ in plan.alone])


def alone_seconds(jobs: Sequence[Job]) -> float:
    """Of runs one after another through Lightning, about, by their epochs."""
    return sum(0.05 + ALONE * job.settings()["trainer"]["max_epochs"] for job in jobs)


def retried(task: Task, left: Sequence[int], lost: Lost) -> list[Task]:
    """What is to be tried after a task was lost; nothing for a guilty run.

    left: the places of its jobs that are not stored.

    A worker that dies by itself three times of the same runs has been killed by one of them: they
    are halved, and halved once more at each further death, until that one is alone. It is guilty
    when it has died alone, too. A lost machine is nobody's fault.
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
