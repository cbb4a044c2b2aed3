"""SLURM jobs without SLURM: what they write, what is made of it, and what a driver left behind."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.engines.cohort import Interrupted
from src.errors import InputError
from src.sweep.conclude import conclude
from src.sweep.executors import left, slurm_job, squeue
from src.sweep.sink import Form, SharedFolder
from src.sweep.store import Store
from src.sweep.task import Done, Lost
from tests.conftest import Swept, quiet
from tests.test_tasks import part_of, task

SWEEP = {"device": "cpu", "memory": "1GiB", "compile": None}
SECTION = {
    "kind": "slurm", "partition": None, "account": None, "qos": None, "time": 60, "cpus": 1,
    "memory": "4GiB", "gpus": 0, "jobs": 2, "part_seconds": 1.0, "stay_local": 0.0, "silent": 60.0,
}  # fmt: skip
States = dict[str, str] | None


class TestJob:
    @pytest.fixture
    def form(self, tmp_path: Path) -> Form:
        store = Store(tmp_path)
        store.begin([], {}, {f"run{i}": i for i in range(4)})
        return Form(store.directory, {f"run{i}": i for i in range(4)}, {}, [])

    def lines(self, journal: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in journal.read_text().splitlines()]

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (OSError(28, "No space left on device", "/x"), "/x: No space left on device"),
            (InputError("sweep.device=cuda, but"), "sweep.device=cuda, but"),
        ],
    )
    def test_an_exception_is_said(
        self, form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception,
        said: str,
    ) -> None:  # fmt: skip
        def fails(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(slurm_job, "perform", fails)
        journal = tmp_path / "job.jsonl"
        with pytest.raises(type(error)):
            slurm_job.perform_shared(task(2), form, SWEEP, 1, journal)
        assert self.lines(journal) == [{"error": said}]

    def test_one_that_was_given_up_writes_no_more(
        self, form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its runs are trained elsewhere, cut otherwise: two parts would hold them."""

        def trains(one: Any, sink: SharedFolder, *_: Any) -> dict[str, str]:
            first, *others = one.jobs
            sink.append("first", part_of([first], sink))
            journal.with_suffix(slurm_job.CANCELLED).touch()
            sink.append("second", part_of(others, sink))
            return {}

        monkeypatch.setattr(slurm_job, "perform", trains)
        journal = tmp_path / "job.jsonl"
        with pytest.raises(Interrupted):
            slurm_job.perform_shared(task(4), form, SWEEP, 1, journal)
        assert Store(form.directory).parts() == ["first"]
        assert [line["part"] for line in self.lines(journal)] == ["first"]

    def test_one_that_is_given_up_as_it_writes_says_nothing(self, form: Form) -> None:
        """The driver does not adopt such a part; the store drops what is there twice."""
        looked, said = iter([False, True]), []
        sink = SharedFolder(form, lambda *part: said.append(part), lambda: next(looked))
        with pytest.raises(Interrupted):
            sink.append("late", part_of(task(2).jobs, sink))
        assert said == []
        SharedFolder(form, lambda *part: said.append(part)).append(
            "other", part_of(task(4).jobs[1:], sink)
        )
        store = Store(form.directory)
        assert store.read()["job"].to_list() == [0, 1, 1, 2, 3]
        store.drop_duplicates()
        assert store.read()["job"].to_list() == [0, 1, 2, 3]
        assert sorted(store.read("curves")["run_id"]) == [f"run{i}" for i in range(4)]


class TestDuplicates:
    def test_none_reach_a_report(self, sweep: Callable[..., Swept]) -> None:
        """A part that a lost job wrote after its runs had been stored, cut otherwise."""
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=2", "seed=range(3)")
        first = sweep(*grid)
        (part,) = first.store.parts()
        for kind in ("runs", "configs", "curves"):
            path = first.store.directory / kind / f"{part}.parquet"
            path.with_stem("late").write_bytes(path.read_bytes())
        path = first.store.directory / "weights" / f"{part}.safetensors"
        path.with_stem("late").write_bytes(path.read_bytes())
        assert len(first.table) == 6
        conclude(first.store, [], {"directories": 0, "verify": 0}, quiet())
        assert first.table["job"].to_list() == [0, 1, 2]
        assert set(first.store.read("curves")["run_id"].value_counts()["count"]) == {3}


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[States], Any]:
    """An opened cluster with one job, of which squeue says what it is told."""
    pytest.importorskip("submitit")
    from src.sweep.executors import on_slurm

    monkeypatch.setattr(on_slurm.shutil, "which", lambda name: name)
    monkeypatch.setattr(squeue, "try_node", lambda *_: None)
    monkeypatch.setattr(squeue, "cancel", lambda _: True)
    monkeypatch.setattr(on_slurm, "ASK", -1.0)

    def slurm(answer: States) -> Any:
        monkeypatch.setattr(squeue, "states", lambda _: answer)
        cluster = on_slurm.SlurmCluster(SECTION, SWEEP)
        cluster.open(tmp_path)
        assert cluster.folder is not None
        cluster.jobs["job"] = on_slurm._Job("1_0", cluster.folder / "job.jsonl")
        return cluster

    return slurm


class TestDriver:
    def test_an_error_ends_the_sweep(self, slurm: Any, tmp_path: Path) -> None:
        cluster = slurm({"1_0": "FAILED"})
        cluster.jobs["job"].journal.write_text('{"error": "/x: No space left"}\n')
        with pytest.raises(OSError, match="a task of SLURM failed: /x: No space left"):
            cluster.ended(0.0, Store(tmp_path))
        logs = cluster.folder
        cluster.close()
        assert logs.exists(), "they are named in the message"

    @pytest.mark.parametrize(
        ("state", "after", "outcome"),
        [
            ("FAILED", 6.0, Lost("SLURM ended a job (FAILED)", by_itself=True)),
            ("FAILED", 4.0, None),
            ("COMPLETED", 50.0, None),
            ("COMPLETED", 61.0, Lost("SLURM ended a job (COMPLETED)", by_itself=False)),
            ("NODE_FAIL", 6.0, Lost("SLURM ended a job (NODE_FAIL)", by_itself=False)),
        ],
    )
    def test_patience(
        self, slurm: Any, tmp_path: Path, state: str, after: float, outcome: Lost | None
    ) -> None:
        """NFS may show the words of a job that came to its end a minute late."""
        cluster, store = slurm({"1_0": state}), Store(tmp_path)
        assert cluster.ended(0.0, store) == []
        cluster.jobs["job"].gone = time.monotonic() - after
        assert cluster.ended(0.0, store) == ([] if outcome is None else [("job", outcome)])

    def test_late_words_are_heard(self, slurm: Any, tmp_path: Path) -> None:
        cluster, store = slurm({"1_0": "COMPLETED"}), Store(tmp_path)
        cluster.ended(0.0, store)
        cluster.jobs["job"].gone -= 50
        cluster.jobs["job"].journal.write_text('{"failed": {}}\n')
        assert cluster.ended(0.0, store) == [("job", Done({}))]

    @pytest.mark.parametrize(
        ("taken", "answer", "kept"),
        [
            (True, None, False),
            (False, None, True),
            (False, {"1_0": "RUNNING"}, True),
            (False, {"1_0": "CANCELLED"}, False),
        ],
    )
    def test_jobs_that_may_live_stay_noted(
        self, slurm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool,
        answer: States, kept: bool,
    ) -> None:  # fmt: skip
        cluster = slurm(answer)
        monkeypatch.setattr(squeue, "cancel", lambda _: taken)
        cluster.close()
        assert (tmp_path / "slurm" / "jobs.json").exists() == kept


class TestLeft:
    @pytest.fixture
    def noted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """jobs.json of a driver that was killed."""
        (tmp_path / "slurm").mkdir()
        left.note_jobs(tmp_path, "small-nets-x")
        monkeypatch.setattr(left.shutil, "which", lambda name: name)
        monkeypatch.setattr(left, "ASK", 0.01)
        monkeypatch.setattr(left, "WAIT", 0.1)
        return tmp_path / "slurm" / "jobs.json"

    @pytest.mark.parametrize("answer", [None, {"1": "RUNNING"}])
    def test_silence_is_not_an_end(
        self, noted: Path, monkeypatch: pytest.MonkeyPatch, answer: States
    ) -> None:
        monkeypatch.setattr(squeue, "cancel_named", lambda _: None)
        monkeypatch.setattr(squeue, "states", lambda _: answer)
        with pytest.raises(InputError, match="Fix: scancel --name=small-nets-x when SLURM answers"):
            left.settle(noted.parent.parent)
        assert noted.exists()

    def test_cancelled_again_until_they_end(
        self, noted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([None, {"1": "RUNNING"}, {"1": "CANCELLED"}])
        cancelled: list[str] = []
        monkeypatch.setattr(squeue, "cancel_named", cancelled.append)
        monkeypatch.setattr(squeue, "states", lambda _: next(answers))
        left.settle(noted.parent.parent)
        assert cancelled == ["small-nets-x"] * 3
        assert not noted.parent.exists()
