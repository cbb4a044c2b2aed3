"""Chooses the engine of each group of a plan, and measures its cost on one member."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from small_nets.config.errors import InputError
from small_nets.config.sweep_schema import UNITS, memory_bytes
from small_nets.engines.cohort import Cohort
from small_nets.engines.engine import Lowered
from small_nets.engines.selection import choose, compile_all, without_compiling
from small_nets.engines.sharpness import seconds_along
from small_nets.engines.stacked.cost import bytes_per_member, lanes_for
from small_nets.engines.unsupported import CannotStack
from small_nets.run.build.build import build
from small_nets.run.notes import notes
from small_nets.run.spec import Run
from small_nets.sweep.cohorts.start import start
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import NO_TARGET, Group, Plan, cohort_key

NORMALISES = "data.normalize_"


@dataclass(frozen=True)
class Means:
    """What a sweep may use of this machine.

    memory: bytes. workers: how many parts train at the same time. compile: whether the stacked
    engine is compiled; None where the estimated time decides.
    """

    memory: int
    workers: int
    device: str = "cpu"
    compile: bool | None = None

    @property
    def shown(self) -> str:
        """The memory as it is typed, such as 2GiB."""
        unit, size = next(u for u in reversed(UNITS.items()) if self.memory % u[1] == 0)
        return f"{self.memory // size}{unit}"


@dataclass(frozen=True)
class Ready:
    """A group with the program that trains it.

    part: members that train at once. steps: of one member. seconds: estimate for all parts, one
    after another. row_bytes: estimated disk space of one run. note: what the plan says of it.
    """

    group: Group
    lowered: Lowered
    part: int
    steps: int
    seconds: float
    row_bytes: float
    note: str = ""

    @property
    def parts(self) -> int:
        """The number of parts."""
        return math.ceil(len(self.group.jobs) / self.part)


def find_means(sweep: Mapping[str, Any], workers: int | None = None, share: float = 0.25) -> Means:
    """Find what a sweep may use of this machine.

    sweep: the values of the config's section `sweep`. workers: the number of cores, unless given.
    share: the part of the free memory to use where sweep.memory is null. Raises InputError for a
    device that does not exist here.
    """
    if sweep["device"] == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "sweep.device=cuda, but torch finds no CUDA GPU here.\nFix: sweep.device=cpu"
        )
    given = memory_bytes(sweep["memory"])
    memory = given if given is not None else int(_free_memory() * share)
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if sweep["device"] == "cpu" else 1
    return Means(memory, workers, sweep["device"], sweep["compile"])


def _free_memory() -> int:
    """Bytes of memory that are free or only used as cache, within a container's limit."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    about = Path("/proc/meminfo")
    if about.exists():
        found = re.search(r"MemAvailable: +(\d+) kB", about.read_text())
        free = int(found[1]) * 1024 if found else free
    group = Path("/sys/fs/cgroup")
    limit, used = (group / "memory.max", group / "memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return free


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch uses one thread: what runs in parallel is parts, not operations."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Begun:
    """A group whose first member is built. note: about its engine; notes: about its runs."""

    group: Group
    member: Cohort
    lowered: Lowered
    note: str
    notes: list[str]
    is_measured: bool = False


def prepare(
    plan: Plan, means: Means, dry: bool = False, known: dict[str, Lowered] | None = None
) -> list[Ready]:
    """Make the program of each group, and estimate its time.

    Runs that cannot be trained together are moved to `plan.alone`, with the reason. Runs that
    cannot be built are moved to `plan.failed`, with the message. dry: compile nothing. known:
    `cohort_key` -> program; these are used without measuring, and new ones are added. Raises
    InputError where the memory does not hold the smallest part.
    """
    with one_thread():
        found = [(group, _begin(group, plan, means, known or {})) for group in plan.groups]
        begun = [one for _, one in found if one is not None]
        plan.groups = [group for group, one in found if one is not None]
        if not dry:
            compile_all([one.lowered for one in begun], means.workers)
        ready = [_ready(one, means, dry) for one in begun]
        if known is not None:
            known |= {cohort_key(r.group.jobs[0].settings()): r.lowered for r in ready}
        return ready


def _begin(group: Group, plan: Plan, means: Means, known: Mapping[str, Lowered]) -> _Begun | None:
    while group.jobs:
        job = group.jobs[0]
        try:
            run = build(job.settings())
        except InputError as error:
            job.error = str(error)
            plan.failed.append(group.jobs.pop(0))
            continue
        if run.data.train.target is None:
            return _alone(group, plan, NO_TARGET)
        member = start([job.settings()], means.device).cohort
        assert member is not None, "what build accepts can be started"
        program = known.get(cohort_key(job.settings()))
        if program is not None:
            return _Begun(group, member, program, "", [], is_measured=True)
        try:
            lowered, note = choose(member, job.settings()["engine"], means.compile)
        except CannotStack as error:
            return _alone(group, plan, f"torch.func cannot map it: {error}")
        return _Begun(group, member, lowered, note, _notes(group, run))
    return None


def _notes(group: Group, run: Run) -> list[str]:
    """Notes about a group's runs, each sentence once. run: the first one, built.

    Normalisation may differ within a group, and with it what rounding loses. So one run of each
    normalisation is looked at.
    """
    kinds: dict[tuple[str, ...], Job] = {}
    for job in group.jobs:
        kinds.setdefault(tuple(o for o in job.overrides if o.startswith(NORMALISES)), job)
    found = dict.fromkeys(notes(run))
    for job in list(kinds.values())[1:]:
        with suppress(InputError):  # reported when the run is started
            found |= dict.fromkeys(notes(build(job.settings())))
    return list(found)


def _ready(begun: _Begun, means: Means, dry: bool) -> Ready:
    member, group = begun.member, begun.group
    part = _part(member, len(group.jobs), begun.lowered, means)
    if begun.is_measured:
        seconds = 0.0
    elif dry and begun.lowered.is_slow_to_probe:
        seconds = begun.lowered.guess(member, part)  # a dry run is not worth compiling for
    else:
        # Before anything trains, because compiling can fail, and tracing is not thread-safe.
        try:
            seconds = begun.lowered.probe(member, part, means.workers) * member.steps
        except Exception as error:  # torch raises many classes for what it cannot compile
            if begun.lowered.name == "stacked":
                raise
            begun.lowered, begun.note = without_compiling(member, begun.lowered, error)
            part = _part(member, len(group.jobs), begun.lowered, means)
            seconds = begun.lowered.probe(member, part, means.workers) * member.steps
    parts = math.ceil(len(group.jobs) / part)
    seconds = seconds * parts + seconds_along(member) * len(group.jobs)
    points = member.epochs // member.log_every + 2
    numbers = sum(p[0].numel() for p in member.parameters.values())
    row = 800 + 12 * points * len(member.splits) + 4 * numbers
    note = "; ".join(text for text in (begun.note, *begun.notes) if text)
    return Ready(group, begun.lowered, part, member.steps, seconds, row, note)


def _alone(group: Group, plan: Plan, reason: str) -> None:
    plan.alone += [(job, reason) for job in group.jobs]


def _part(member: Cohort, jobs: int, lowered: Lowered, means: Means) -> int:
    """Members per part: as many as the memory holds, but few enough to keep all workers busy."""
    each = bytes_per_member(member)
    least, usual = lowered.sizes
    held = means.memory // each // least * least
    if held == 0:
        raise InputError(
            f"sweep.memory={means.shown} does not hold the smallest part of this sweep, {least} "
            f"members of {each:,} bytes.\n"
            f"Fix: sweep.memory={math.ceil(each * least / 2**20)}MiB or more"
        )
    # Each worker holds a part, and one more is prepared meanwhile.
    held = max(held // (means.workers + 1) // least * least, least)
    return min(usual, held, lanes_for(math.ceil(jobs / means.workers), lowered.sizes))
