"""Jobs -> cohorts that can share one array program, and what must go alone. Pure: no training."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from small_nets.engines.snapshot import Paused
from small_nets.nn.rule_lookup import why_alone, without_numbers
from small_nets.run.outputs.result import digest, numbers_of
from small_nets.sweep.jobs.expand import Job

# What may differ between members of a cohort: it changes numbers, and no shape.
FREE = ("seed", "print_every")
FREE_DATA = {
    *("split_seed", "stratify", "normalize_input", "normalize_target", "normalize_on", "probe")
}
FREE_MODEL = ("init", "weight_scale")
NO_TARGET = "it has no target, so nothing is trained"


@dataclass
class Group:
    """Jobs that can be trained together. title: what sets them apart from the other groups.

    since: the members from which training goes on, in the order of the jobs; until: the epoch after
    which it stops for a while.
    """

    jobs: list[Job]
    title: str = ""
    since: Paused | None = None
    until: int | None = None

    @property
    def epochs(self) -> int:
        """Of its training, to the end; the same for all, whatever has become of some."""
        return self.jobs[0].settings()["trainer"]["max_epochs"]

    def at(self, places: Sequence[int]) -> "Group":
        """Some of the jobs, as they stand."""
        since = None if self.since is None else self.since.select(places)
        return replace(self, jobs=[self.jobs[place] for place in places], since=since)

    def pieces(self, size: int) -> "Iterator[Group]":
        """The jobs, so many at a time."""
        for first in range(0, len(self.jobs), size):
            yield self.at(range(first, min(first + size, len(self.jobs))))


@dataclass
class Plan:
    """What will be done with the jobs of a sweep.

    groups: those to be trained together. alone: job and the reason why it goes alone.
    failed: jobs whose config cannot be. done: jobs that the store has already.
    repeated: jobs that are the same run as one before them.
    """

    groups: list[Group] = field(default_factory=list)
    alone: list[tuple[Job, str]] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    done: list[Job] = field(default_factory=list)
    repeated: list[Job] = field(default_factory=list)

    @property
    def todo(self) -> int:
        """Runs to be trained."""
        return sum(len(group.jobs) for group in self.groups) + len(self.alone)


def longest(jobs: Iterable[Job]) -> int:
    """The epochs of the longest training among jobs; of those whose config cannot be, 0."""
    return max((j.settings()["trainer"]["max_epochs"] for j in jobs if j.error is None), default=0)


def make_plan(jobs: Sequence[Job], done: Iterable[str] = ()) -> Plan:
    """Sort jobs into cohorts. done: run_ids that need no training."""
    plan, finished = Plan(), set(done)
    groups: dict[str, Group] = {}
    seen: set[str] = set()
    for job in jobs:
        if job.identity in seen:
            plan.repeated.append(job)
        elif job.error is not None:
            plan.failed.append(job)
        elif job.run_id in finished:
            plan.done.append(job)
        else:
            settings = job.settings()
            reason = alone_reason(settings)
            if reason is None:
                groups.setdefault(job.digest(settings, program_of), Group([])).jobs.append(job)
            else:
                plan.alone.append((job, reason))
        seen.add(job.identity)
    plan.groups = list(groups.values())
    _name(plan.groups)
    return plan


def alone_reason(settings: Mapping[str, Any]) -> str | None:
    """Why a run cannot share an array program, as far as its config tells; else None."""
    if settings["engine"] == "lightning":
        return "engine=lightning"
    if settings["ckpt"] is not None:
        return "it continues from a checkpoint"
    if settings["trainer"]["accelerator"] != "cpu":
        return f"trainer.accelerator={settings['trainer']['accelerator']} is Lightning's"
    return why_alone(settings["optimizer"])


def cohort_key(settings: Mapping[str, Any]) -> str:
    """A text that is the same for runs that can share an array program."""
    return digest(program_of(settings))


def program_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides on the array program."""
    kept = {k: v for k, v in numbers_of(settings).items() if k not in FREE}
    kept["data"] = {k: v for k, v in kept["data"].items() if k not in FREE_DATA}
    kept["model"] = {k: v for k, v in kept["model"].items() if k not in FREE_MODEL}
    if kept["loss"].get("class_weight") is not None:  # whichever they are: each member has its own
        kept["loss"] = kept["loss"] | {"class_weight": True}
    kept["optimizer"] = without_numbers(kept["optimizer"])
    trainer = settings["trainer"]
    kept["trainer"] = trainer | {"gradient_clip_val": trainer["gradient_clip_val"] is not None}
    return kept


def _name(groups: Sequence[Group]) -> None:
    """Title each group by the overrides that all of its jobs have, and not all jobs."""
    shared = [set(g.jobs[0].overrides).intersection(*(j.overrides for j in g.jobs)) for g in groups]
    everywhere = set.intersection(*shared) if shared else set()
    for group, overrides in zip(groups, shared, strict=True):
        order = group.jobs[0].overrides
        group.title = " ".join(o for o in order if o in overrides - everywhere) or "all"
