"""A batch of jobs of a sweep, planned and not trained yet."""

from dataclasses import dataclass

from small_nets.sweep.cohorts.prepare import Ready
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Plan


@dataclass(frozen=True)
class Planned:
    """A batch of jobs, and what will be done with them. parts: the store's, at that time."""

    jobs: list[Job]
    plan: Plan
    ready: list[Ready]
    experiments: list[str]
    parts: list[str]
