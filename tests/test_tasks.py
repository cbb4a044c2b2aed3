"""Tasks: how a plan is cut, what becomes of a lost one, and processes that die for real."""

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import InputError
from src.sweep.bars import Bars
from src.sweep.drive import drive
from src.sweep.executors import processes
from src.sweep.executors.choose import find_cluster
from src.sweep.expand import Job
from src.sweep.outcomes import quiet
from src.sweep.plan import Group, Plan
from src.sweep.prepare import Means
from src.sweep.sink import Form
from src.sweep.store import Store
from src.sweep.task import STRIKES, Done, Lost, Task, again
from tests.conftest import Answer, Swept

Sweep = Callable[..., Swept]
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
            more = again(one, range(len(numbers)), WORKER)
            if not more:
                condemned |= set(numbers)
            todo.extend(more)
        assert condemned == guilty & set(range(count))
        assert trained == set(range(count)) - guilty
        assert deaths <= len(guilty) * (STRIKES + count.bit_length())

    def test_a_machine_is_nobodys_fault(self) -> None:
        one = task(4)
        for _ in range(10):
            (one,) = again(one, [1, 3] if len(one.jobs) == 4 else [0, 1], MACHINE)
        assert [job.number for job in one.jobs] == [1, 3]
        assert one.strikes == 0


class Scripted:
    """An executor that does what a list says: Done, or a loss."""

    part_seconds = 1.0

    def __init__(self, outcomes: Sequence[Lost | None], adopts: int = 0) -> None:
        self.outcomes, self.adopts = deque(outcomes), adopts
        self.given: dict[Hashable, Task] = {}
        self.seen: list[list[int]] = []
        self.was_cancelled = False

    def slots(self) -> int:
        return 1

    def submit(self, tasks: Sequence[Task], form: Form) -> list[Hashable]:
        del form
        handles: list[Hashable] = [len(self.seen) + i for i in range(len(tasks))]
        self.given = dict(zip(handles, tasks, strict=True))
        self.seen += [[job.number for job in one.jobs] for one in tasks]
        return handles

    def ended(self, seconds: float, store: Store) -> list[tuple[Hashable, Done | Lost]]:
        del seconds
        found: list[tuple[Hashable, Done | Lost]] = []
        for handle, one in self.given.items():
            outcome = self.outcomes.popleft() if self.outcomes else None
            if outcome is not None:  # some parts had been written by then
                store.adopted |= {job.identity for job in one.jobs[: self.adopts]}
            found.append((handle, outcome or Done({})))
        self.given = {}
        return found

    def cancel(self) -> None:
        self.was_cancelled = True


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


class TestProcesses:
    GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=20", "engine=lightning")

    def test_equal_and_side_by_side(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        here = sweep(*self.GRID, "seed=range(4)", "executor.workers=2", to="here")
        monkeypatch.setattr(processes, "STARTING", 0.0)
        begun: list[Any] = []
        real = processes._Process
        monkeypatch.setattr(processes, "_Process", lambda means: begun.append(means) or real(means))
        there = sweep(*self.GRID, "seed=range(4)", "executor.workers=2", to="there")
        assert len(begun) == 2
        assert here.table.drop("seconds").equals(there.table.drop("seconds"))

    def test_a_killed_process(
        self, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lethal = tmp_path / "lethal.txt"
        lethal.write_text("2")
        folder = str(Path(__file__).parent / "clusters" / "lethal")
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        )
        monkeypatch.setenv("SMALL_NETS_LETHAL", str(lethal))
        monkeypatch.setattr(processes, "STARTING", 0.0)
        done = sweep(*self.GRID, "seed=1,2,3", "executor.workers=2")
        assert done.table["status"].to_list() == ["completed", "failed", "completed"]
        assert f"a process ended with {signal.Signals.SIGKILL.name}" in done.table["message"][1]
        lethal.unlink()
        assert sweep(*self.GRID, "seed=1,2,3").table["status"].unique().to_list() == ["completed"]

    def test_a_task_is_sent_its_own_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A form with all numbers beside each task would grow as their square."""

        class Recorder:
            def __init__(self, means: Means) -> None:
                del means
                self.connection = self

            def send(self, message: tuple[Task, Form]) -> None:
                sent.append(message[1])

        sent: list[Form] = []
        monkeypatch.setattr(processes, "_Process", Recorder)
        several = [Task(Group([job], "all"), 1.0) for job in task(3).jobs]
        form = Form(Path("here"), {f"run{i}": i for i in range(3)}, {}, ["loss"])
        processes.Processes(Means(2**30, 3)).submit(several, form)
        assert [one.numbers for one in sent] == [{"run0": 0}, {"run1": 1}, {"run2": 2}]
        assert all(one.columns == ["loss"] for one in sent)


class TestBadInput:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (
                ["executor=ray", "executor.address=nowhere"],
                "executor.address=nowhere is not allowed",
            ),
            (["executor=ray", "executor.address=ray://a:1"], "is not allowed.\nAllowed: host:port"),
            (["executor=ray", "executor.cpus=0"], "executor.cpus=0 is not allowed"),
            (["executor=slurm", "executor.memory=much"], "executor.memory=much is not allowed"),
            (["executor=ray,slurm"], "executor is a setting of the whole sweep"),
            (["executor=local", "executor.kind=cloud"], "executor.kind=cloud is not allowed"),
            (["executor=cloud"], "executor=cloud"),
        ],
    )
    def test_refused(
        self, sweep: Sweep, tmp_path: Path, overrides: list[str], message: str
    ) -> None:
        with pytest.raises(InputError) as error:
            sweep("+experiment=temperature_mlp", "seed=1,2", *overrides)
        assert message in str(error.value)
        assert not (tmp_path / "sweep").exists()

    def test_extras(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("src.sweep.executors.choose.find_spec", lambda _: None)
        for kind in ("ray", "slurm"):
            with pytest.raises(InputError, match=rf"pip install -c constraints.txt '\.\[{kind}\]'"):
                find_cluster({"kind": kind}, {})

    def test_an_address_of_nothing(self, sweep: Sweep) -> None:
        pytest.importorskip("ray")
        with pytest.raises(InputError, match="nothing answers there"):
            sweep("+experiment=sine", "seed=1,2", "executor=ray", "executor.address=127.0.0.1:9")

    def test_an_address_of_something_else(self, sweep: Sweep) -> None:
        pytest.importorskip("ray")
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            with pytest.raises(InputError, match="what answers there is no Ray"):
                sweep("+experiment=sine", "seed=1,2", "executor=ray", f"executor.address={address}")

    def test_no_sbatch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("submitit")
        monkeypatch.setenv("PATH", "/nowhere")
        section = {"kind": "slurm", "part_seconds": 1.0, "stay_local": 0.0, "memory": "1GiB"}
        with pytest.raises(InputError, match="sbatch is not found here"):
            find_cluster(section, {"memory": None})

    def test_a_single_run_has_no_executor(self, command: Callable[..., Answer]) -> None:
        done = command("src.train", "+experiment=temperature_mlp", "executor=ray")
        assert done.code == 2
        assert "executor=ray is for a sweep, and this is a single run" in done.err
