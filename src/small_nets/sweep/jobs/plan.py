"""Sorts jobs into cohorts that can share one array program, and runs that must go alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from small_nets.engines.snapshot import Paused
from small_nets.nn.rule_lookup import why_alone, without_numbers
from small_nets.run.outputs.identity import digest, numbers_of
from small_nets.sweep.jobs.expand import Job

# Keys that may differ between members of a cohort: they change numbers, but no shapes.
FREE = ("seed", "print_every")
FREE_DATA = {
    *("split_seed", "stratify", "normalize_input", "normalize_target", "normalize_on", "probe")
}
FREE_MODEL = ("init", "weight_scale", "draw_order")
NO_TARGET = "it has no target, so nothing is trained"


@dataclass
class Group:
    """Jobs that can be trained together.

    title: the overrides that distinguish them from the other groups. since: the paused members
    from which training goes on, in the order of the jobs. until: the epoch after which it pauses.
    """

    jobs: list[Job]
    title: str = ""
    since: Paused | None = None
    until: int | None = None

    @property
    def epochs(self) -> int:
        """The epochs of the whole training, which are the same for all jobs."""
        return self.jobs[0].settings()["trainer"]["max_epochs"]

    def at(self, places: Sequence[int]) -> "Group":
        """A group of the jobs at these places, paused where they are."""
        since = None if self.since is None else self.since.select(places)
        return replace(self, jobs=[self.jobs[place] for place in places], since=since)

    def pieces(self, size: int) -> "Iterator[Group]":
        """Yield groups of `size` jobs each; the last may be smaller."""
        for first in range(0, len(self.jobs), size):
            yield self.at(range(first, min(first + size, len(self.jobs))))


@dataclass
class Plan:
    """What will be done with the jobs of a sweep.

    groups: jobs that are trained together. alone: jobs that go alone, each with the reason.
    failed: jobs whose config is invalid. done: jobs that are stored already. repeated: jobs that
    are the same run as an earlier one.
    """

    groups: list[Group] = field(default_factory=list)
    alone: list[tuple[Job, str]] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    done: list[Job] = field(default_factory=list)
    repeated: list[Job] = field(default_factory=list)

    @property
    def todo(self) -> int:
        """The number of runs to be trained."""
        return sum(len(group.jobs) for group in self.groups) + len(self.alone)


def longest(jobs: Iterable[Job]) -> int:
    """The epochs of the longest training among the valid jobs; 0 where there is none."""
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
    """Why a run cannot share an array program, by its config; None where it can."""
    if settings["engine"] == "lightning":
        return "engine=lightning"
    if settings["ckpt"] is not None:
        return "it continues from a checkpoint"
    if settings["trainer"]["accelerator"] != "cpu":
        return f"trainer.accelerator={settings['trainer']['accelerator']} is Lightning's"
    return why_alone(settings["optimizer"])


def cohort_key(settings: Mapping[str, Any]) -> str:
    """A digest that is equal for runs that can share an array program."""
    return digest(program_of(settings))


def program_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that determines the array program."""
    kept = {k: v for k, v in numbers_of(settings).items() if k not in FREE}
    kept["data"] = {k: v for k, v in kept["data"].items() if k not in FREE_DATA}
    kept["model"] = {k: v for k, v in kept["model"].items() if k not in FREE_MODEL}
    if kept["loss"].get("class_weight") is not None:  # the weights may differ between members
        kept["loss"] = kept["loss"] | {"class_weight": True}
    kept["optimizer"] = without_numbers(kept["optimizer"])
    trainer = settings["trainer"]
    kept["trainer"] = trainer | {"gradient_clip_val": trainer["gradient_clip_val"] is not None}
    return kept


def _name(groups: Sequence[Group]) -> None:
    """Title each group by the overrides that its jobs share, without those that all jobs share."""
    shared = [set(g.jobs[0].overrides).intersection(*(j.overrides for j in g.jobs)) for g in groups]
    everywhere = set.intersection(*shared) if shared else set()
    for group, overrides in zip(groups, shared, strict=True):
        order = group.jobs[0].overrides
        group.title = " ".join(o for o in order if o in overrides - everywhere) or "all"
