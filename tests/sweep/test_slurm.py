"""SLURM jobs without SLURM: what they write, what is made of it, and what a driver left behind."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from small_nets.config.errors import InputError
from small_nets.engines.cohort import Interrupted
from small_nets.sweep.executors import orphans, slurm_commands, slurm_job
from small_nets.sweep.results.conclude import conclude
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.manifest import part_file, write_part
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat, RemoteSink
from small_nets.sweep.training.task import Done, Lost
from tests.conftest import Swept, quiet
from tests.sweep.test_tasks import part_of, task

SWEEP = {"device": "cpu", "memory": "1GiB", "compile": None}
SECTION = {
    "kind": "slurm", "partition": None, "account": None, "qos": None, "time": 60, "cpus": 1,
    "memory": "4GiB", "gpus": 0, "jobs": 2, "part_seconds": 1.0, "stay_local": 0.0, "silent": 60.0,
}  # fmt: skip
States = dict[str, str] | None


class TestJob:
    @pytest.fixture
    def form(self, tmp_path: Path) -> PartFormat:
        store = Store(tmp_path)
        store.begin([], {}, {f"run{i}": i for i in range(4)})
        numbers = {f"run{i}": i for i in range(4)}
        return PartFormat(store.directory, store.token, numbers, {}, [])

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
        self, form: PartFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception,
        said: str,
    ) -> None:  # fmt: skip
        def fails(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(slurm_job, "perform_task", fails)
        journal = tmp_path / "job.jsonl"
        with pytest.raises(type(error)):
            slurm_job.perform_shared(task(2), form, SWEEP, 1, journal)
        assert self.lines(journal) == [{"error": said}]

    def test_one_that_was_given_up_writes_no_more(
        self, form: PartFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its runs are trained elsewhere, cut otherwise: two parts would hold them."""

        def trains(one: Any, sink: RemoteSink, *_: Any) -> dict[str, str]:
            first, *others = one.jobs
            sink.append(part_of([first], sink))
            journal.with_suffix(slurm_job.CANCELLED).touch()
            sink.append(part_of(others, sink))
            return {}

        monkeypatch.setattr(slurm_job, "perform_task", trains)
        journal = tmp_path / "job.jsonl"
        with pytest.raises(Interrupted):
            slurm_job.perform_shared(task(4), form, SWEEP, 1, journal)
        (line,) = self.lines(journal)
        assert line["ids"] == ["run0"]
        assert Store(form.directory).parts() == [line["part"]]

    def test_one_that_is_given_up_as_it_writes_says_nothing(self, form: PartFormat) -> None:
        """The driver does not adopt such a part; the store drops what is there twice."""
        looked, said = iter([False, True]), []
        sink = slurm_job.shared_folder(form, said.append, lambda: next(looked))
        with pytest.raises(Interrupted):
            sink.append(part_of(task(2).jobs, sink))
        assert said == []
        slurm_job.shared_folder(form, said.append).append(part_of(task(4).jobs[1:], sink))
        store = Store(form.directory)
        store.read()
        assert "1 runs are stored twice" in store.lost()[-1]
        store.drop_duplicates()
        store.read()
        assert store.lost() == []
        assert store.read()["job"].to_list() == [0, 1, 2, 3]
        assert sorted(store.curves()["run_id"]) == [f"run{i}" for i in range(4)]


class TestDuplicates:
    def test_none_reach_a_report(self, sweep: Callable[..., Swept]) -> None:
        """A part that a lost job wrote after its runs had been stored, cut otherwise."""
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=2", "seed=range(3)")
        first = sweep(*grid)
        (part,) = first.store.parts()
        store = first.store
        files = {kind: part_file(store.directory, kind, part).read_bytes()
                 for kind in ("runs", "configs", "curves", "weights")}  # fmt: skip
        write_part(store.directory, "late", store.token, 3, files)
        assert len(first.table) == 3
        keys = {"sweep": {"directories": 0, "verify": 0}, "pictures": "none"}
        conclude(first.store, [], OmegaConf.create(keys), quiet(), Standard(""))
        assert first.table["job"].to_list() == [0, 1, 2]
        assert set(first.store.curves()["run_id"].value_counts()["count"]) == {3}


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[States], Any]:
    """An opened cluster with one job, of which squeue says what it is told."""
    pytest.importorskip("submitit")
    from small_nets.sweep.executors import slurm_executor

    monkeypatch.setattr(slurm_executor.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm_commands, "try_node", lambda *_: None)
    monkeypatch.setattr(slurm_commands, "cancel", lambda _: True)
    monkeypatch.setattr(slurm_executor, "ASK", -1.0)

    def slurm(answer: States) -> Any:
        monkeypatch.setattr(slurm_commands, "states", lambda _: answer)
        cluster = slurm_executor.SlurmCluster(SECTION, SWEEP)
        cluster.open(tmp_path)
        assert cluster.folder is not None
        cluster.jobs["job"] = slurm_executor._Job("1_0", cluster.folder / "job.jsonl")
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
        monkeypatch.setattr(slurm_commands, "cancel", lambda _: taken)
        cluster.close()
        assert (tmp_path / "slurm" / "jobs.json").exists() == kept


class TestLeft:
    @pytest.fixture
    def noted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """jobs.json of a driver that was killed."""
        (tmp_path / "slurm").mkdir()
        orphans.note_jobs(tmp_path, orphans.new_name(tmp_path))
        monkeypatch.setattr(orphans.shutil, "which", lambda name: name)
        monkeypatch.setattr(orphans, "ASK", 0.01)
        monkeypatch.setattr(orphans, "WAIT", 0.1)
        return tmp_path / "slurm" / "jobs.json"

    @pytest.mark.parametrize("answer", [None, {"1": "RUNNING"}])
    def test_silence_is_not_an_end(
        self, noted: Path, monkeypatch: pytest.MonkeyPatch, answer: States
    ) -> None:
        monkeypatch.setattr(slurm_commands, "cancel_named", lambda _: None)
        monkeypatch.setattr(slurm_commands, "states", lambda _: answer)
        name = json.loads(noted.read_text())
        with pytest.raises(InputError, match=f"Fix: scancel --me --name={name} when SLURM answers"):
            orphans.cancel_orphans(noted.parent.parent)
        assert noted.exists()

    def test_cancelled_again_until_they_end(
        self, noted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([None, {"1": "RUNNING"}, {"1": "CANCELLED"}])
        cancelled: list[str] = []
        monkeypatch.setattr(slurm_commands, "cancel_named", cancelled.append)
        monkeypatch.setattr(slurm_commands, "states", lambda _: next(answers))
        name = json.loads(noted.read_text())
        orphans.cancel_orphans(noted.parent.parent)
        assert cancelled == [name] * 3
        assert not noted.parent.exists()
