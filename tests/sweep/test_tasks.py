"""Tasks: what becomes of a lost one, of its parts, and of what waits."""

import io
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from small_nets.engines.cohort import Interrupted
from small_nets.sweep.executors.dispatch import drive
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.plan import Group, Plan
from small_nets.sweep.store.part import Packed, Part
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.in_process import Stop
from small_nets.sweep.training.progress import Bars, timed
from small_nets.sweep.training.rows import keep_failed, quiet
from small_nets.sweep.training.sink import PartFormat, RemoteSink, Sink
from small_nets.sweep.training.task import STRIKES, Done, Lost, Task, retried

WORKER, MACHINE = Lost("a worker died", by_itself=True), Lost("a machine died", by_itself=False)


def task(count: int) -> Task:
    jobs = [Job(i, [f"seed={i}"], None, (), run_id=f"run{i}") for i in range(count)]
    return Task(Group(jobs, "all"), 10.0)


class TestAgain:
    @given(st.integers(1, 200), st.sets(st.integers(0, 199), max_size=3))
    def test_finds_the_guilty(self, count: int, guilty: set[int]) -> None:
        """A worker that dies of some runs: those are left over, all others are trained."""
        todo, trained, condemned, deaths = deque([task(count)]), set(), set(), 0
        while todo:
            one = todo.popleft()
            numbers = [job.number for job in one.jobs]
            if guilty.isdisjoint(numbers):
                trained |= set(numbers)
                continue
            deaths += 1
            more = retried(one, range(len(numbers)), WORKER)
            if not more:
                condemned |= set(numbers)
            todo.extend(more)
        assert condemned == guilty & set(range(count))
        assert trained == set(range(count)) - guilty
        assert deaths <= len(guilty) * (STRIKES + count.bit_length())

    def test_a_machine_is_nobodys_fault(self) -> None:
        one = task(4)
        for _ in range(10):
            (one,) = retried(one, [1, 3] if len(one.jobs) == 4 else [0, 1], MACHINE)
        assert [job.number for job in one.jobs] == [1, 3]
        assert one.strikes == 0


Outcome = Lost | Callable[[Task, PartFormat], Done]


class Scripted:
    """An executor that does what a list says: a loss, or what becomes of a task; then Done.

    adopts: how many runs a lost one had stored. waiting: why nothing is trained.
    """

    part_seconds = 1.0

    def __init__(
        self, outcomes: Sequence[Outcome], adopts: int = 0, waiting: str | None = None
    ) -> None:
        self.outcomes, self.adopts, self.waiting = deque(outcomes), adopts, waiting
        self.given: dict[Hashable, Task] = {}
        self.seen: list[list[int]] = []
        self.was_cancelled = False

    def slots(self) -> int:
        return 1

    def waits(self) -> str | None:
        return self.waiting

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> list[Hashable]:
        self.form = form
        handles: list[Hashable] = [len(self.seen) + i for i in range(len(tasks))]
        self.given = dict(zip(handles, tasks, strict=True))
        self.seen += [[job.number for job in one.jobs] for one in tasks]
        return handles

    def ended(self, seconds: float, store: Store) -> list[tuple[Hashable, Done | Lost]]:
        del seconds
        found: list[tuple[Hashable, Done | Lost]] = []
        for handle, one in self.given.items():
            outcome = self.outcomes.popleft() if self.outcomes else _nothing
            if isinstance(outcome, Lost):  # some parts had been written by then
                store.adopted |= {job.identity for job in one.jobs[: self.adopts]}
                found.append((handle, outcome))
            else:
                found.append((handle, outcome(one, self.form)))
        self.given = {}
        return found

    def cancel(self) -> None:
        self.was_cancelled = True


def _nothing(task: Task, form: PartFormat) -> Done:
    del task, form
    return Done({})


def part_of(jobs: Sequence[Job], sink: Sink) -> Part:
    """As if these runs had been trained."""
    rows = [{"run_id": job.run_id, "job": sink.number(job.run_id), "status": "completed"}
            for job in jobs]  # fmt: skip
    curve = pl.DataFrame({"run_id": [job.run_id for job in jobs], "step": [1] * len(jobs)})
    return Part(rows, {job.run_id: ({}, {}) for job in jobs}, curve)


def sent(jobs: Sequence[Job], form: PartFormat) -> list[Packed]:
    """Their part, as a worker sends it."""
    parts: list[Packed] = []
    remote = RemoteSink(form, parts.append)
    remote.append(part_of(jobs, remote))
    return parts


def sends(task: Task, form: PartFormat) -> Done:
    """Parts come back with the task, as from Ray."""
    return Done({}, sent(task.jobs, form))


def fails(task: Task, form: PartFormat) -> Done:
    """Its first run fails, the others are stored."""
    first, *others = task.jobs
    return Done({first.identity: "it could not be"}, sent(others, form))


class TestDrive:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        found = Store(tmp_path)
        found.begin([], {}, {f"run{i}": i for i in range(8)})
        return found

    def drive(self, store: Store, executor: Scripted, count: int = 4) -> Plan:
        plan, bars = Plan(), Bars(quiet())
        drive([task(count)], executor, store, plan, bars, lambda: False, fail_fast=False)
        return plan

    def test_parts_that_come_back_are_stored(self, store: Store) -> None:
        assert self.drive(store, Scripted([MACHINE, sends])).failed == []
        assert store.read()["job"].to_list() == [0, 1, 2, 3]
        assert store.adopted == {f"run{i}" for i in range(4)}
        plan = self.drive(store, Scripted([fails]), 8)
        assert [(job.number, job.error) for job in plan.failed] == [(0, "it could not be")]

    @pytest.mark.parametrize("cuts", [([0, 1, 2, 3], [2, 3]), ([2, 3], [0, 1, 2, 3])])
    def test_a_part_that_ran_twice_leaves_one_result(
        self, store: Store, cuts: Sequence[Sequence[int]]
    ) -> None:
        """A task was taken for lost, and its runs were cut otherwise when it came to its end."""
        several = [Task(task(4).group.at(places), 1.0) for places in cuts]
        executor = Scripted([sends, sends])
        drive(several, executor, store, Plan(), Bars(quiet()), lambda: False, fail_fast=False)
        assert len(store.parts()) == 2, "of other names"
        assert len(store.read()) == 4
        assert "2 runs are stored twice" in store.lost()[-1]
        store.drop_duplicates()
        assert store.read()["job"].to_list() == [0, 1, 2, 3]
        assert sorted(store.curves()["run_id"]) == [f"run{i}" for i in range(4)]

    def test_the_same_part_twice_is_one(self, store: Store) -> None:
        several = [Task(task(4).group, 1.0)] * 2
        executor = Scripted([sends, sends])
        drive(several, executor, store, Plan(), Bars(quiet()), lambda: False, fail_fast=False)
        assert store.read()["job"].to_list() == [0, 1, 2, 3]

    @pytest.mark.parametrize("outcomes", [[fails], [WORKER] * (STRIKES + 2)])
    def test_fail_fast(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        """Stops at the first run that fails, or has killed its worker; what came back stays."""
        executor, plan = Scripted(outcomes), Plan()
        several = [Task(task(8).group.at(places), 1.0) for places in (range(4), range(4, 8))]
        with pytest.raises(Stop):
            drive(several, executor, store, plan, Bars(quiet()), lambda: False, fail_fast=True)
        assert executor.was_cancelled
        assert [job.number for job in plan.failed] == [0]
        assert all(max(numbers) < 4 for numbers in executor.seen)
        kept = store.read()["job"].to_list()
        assert kept == ([1, 2, 3] if outcomes == [fails] else [0])

    def test_a_cluster_without_nodes_is_waited_for_and_said_once(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text, said = io.StringIO(), []
        executor = Scripted([], waiting="no node is left: waiting for one")
        monkeypatch.setattr(executor, "ended", lambda *_: [])
        clock = iter(range(1, 100, 3))  # it is said after ten seconds
        monkeypatch.setattr(
            "small_nets.sweep.executors.dispatch.time",
            SimpleNamespace(monotonic=lambda: next(clock)),
        )

        def stop() -> bool:
            said.append(text.getvalue().count("no node is left"))
            return len(said) == 8

        bars = Bars(Console(file=text, width=160))
        with pytest.raises(Interrupted):
            drive([task(1)], executor, store, Plan(), bars, stop, fail_fast=False)
        assert said == [0, 0, 0, 0, 1, 1, 1, 1]

    def test_only_what_is_missing_is_tried_again(self, store: Store) -> None:
        executor = Scripted([MACHINE, MACHINE], adopts=1)
        assert self.drive(store, executor).failed == []
        assert executor.seen == [[0, 1, 2, 3], [1, 2, 3], [2, 3]]

    def test_the_guilty_run_gets_its_row(self, store: Store) -> None:
        plan = self.drive(store, Scripted([WORKER] * STRIKES), 1)
        assert [job.number for job in plan.failed] == [0]
        row = store.read().row(0, named=True)
        assert (row["status"], row["job"]) == ("failed", 0)
        assert (
            row["message"] == "its worker died 3 times, at last with this run alone: a worker died"
        )

    def test_bars_add_up_one_number_for_each_cohort(self, store: Store) -> None:
        bars, halves = Bars(quiet()), [task(8).group.at(range(4)), task(8).group.at(range(4, 8))]
        several = [Task(group, 1.0) for group in halves]
        executor = Scripted([MACHINE], adopts=1)  # then 3 of 4 are tried again
        drive(several, executor, store, Plan(), bars, lambda: False, fail_fast=False)
        assert [list(done.values()) for done in bars.done.values()] == [[8]]

    def test_what_stops_it_cancels_the_rest(self, store: Store) -> None:
        executor = Scripted([])
        with pytest.raises(KeyboardInterrupt):
            drive([task(3)], executor, store, Plan(), Bars(quiet()), _press, fail_fast=False)
        assert executor.was_cancelled


def _press() -> bool:
    raise KeyboardInterrupt


class TestPace:
    """What is said, and noted, of the training."""

    @pytest.mark.parametrize(
        ("good", "said"), [(0, "trained none of 4 runs"), (3, "trained 3 runs in ")]
    )
    def test_runs_that_failed_were_not_trained(self, tmp_path: Path, good: int, said: str) -> None:
        store, jobs, text = Store(tmp_path), task(8).jobs, io.StringIO()
        store.begin([], {}, {f"run{i}": i for i in range(8)})
        store.append(part_of(jobs[4:], store))
        with timed(store, 4, Console(file=text, width=160)):
            if good:
                store.append(part_of(jobs[:good], store))
            keep_failed(jobs[good:4], store)
        assert text.getvalue().startswith(said)
        assert [one["runs"] for one in store.about.get("trained", [])] == ([good] if good else [])
