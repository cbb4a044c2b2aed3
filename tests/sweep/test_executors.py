"""Executors: processes that die for real, and what is refused before any work."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_lock import locked
from small_nets.sweep.cohorts.prepare import Means
from small_nets.sweep.executors import process_executor, remote_worker
from small_nets.sweep.executors.select import find_cluster
from small_nets.sweep.jobs.plan import Group
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import Done, Task
from small_nets.system.command_names import install_command
from tests.conftest import ROOT, Answer, Swept
from tests.sweep.test_tasks import task

Sweep = Callable[..., Swept]


def _dies(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class TestProcesses:
    GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=20", "engine=lightning")

    @pytest.mark.more
    def test_equal_and_side_by_side(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        here = sweep(*self.GRID, "seed=range(4)", "executor.workers=2", to="here")
        monkeypatch.setattr(process_executor, "STARTING", 0.0)
        begun: list[Any] = []
        real = process_executor._Process
        monkeypatch.setattr(
            process_executor, "_Process", lambda means: begun.append(means) or real(means)
        )
        there = sweep(*self.GRID, "seed=range(4)", "executor.workers=2", to="there")
        assert len(begun) == 2
        assert here.table.drop("seconds").equals(there.table.drop("seconds"))

    @pytest.mark.more
    def test_a_killed_process(
        self, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lethal = tmp_path / "lethal.txt"
        lethal.write_text("2")
        folder = str(ROOT / "tests" / "clusters" / "lethal")
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        )
        monkeypatch.setenv("SMALL_NETS_LETHAL", str(lethal))
        monkeypatch.setattr(process_executor, "STARTING", 0.0)
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

            def send(self, message: tuple[Task, PartFormat]) -> None:
                sent.append(message[1])

        sent: list[PartFormat] = []
        monkeypatch.setattr(process_executor, "_Process", Recorder)
        several = [Task(Group([job], "all"), 1.0) for job in task(3).jobs]
        form = PartFormat(Path("here"), "", {f"run{i}": i for i in range(3)}, {}, ["loss"])
        process_executor.Processes(Means(2**30, 3)).submit(several, form)
        assert [one.numbers for one in sent] == [{"run0": 0}, {"run1": 1}, {"run2": 2}]
        assert all(one.columns == ["loss"] for one in sent)

    @pytest.mark.more
    def test_an_idle_one_that_died_is_replaced(self, sweep: Sweep, tmp_path: Path) -> None:
        """Killed by somebody else between two tasks: no strike for what comes next."""
        store, jobs = Store(tmp_path), task(1).jobs
        store.begin([], {}, {"run0": 0})
        form = PartFormat(tmp_path, "", {"run0": 0}, {}, [])
        with process_executor.Processes(Means(2**30, 1)) as executor:
            for attempt in range(2):
                executor.submit([Task(Group(jobs, "alone"), 1.0, {"run0": "why"})], form)
                found = []
                while not found:
                    found = executor.ended(60.0, store)
                ((_, done),) = found
                assert isinstance(done, Done), attempt
                (process,) = executor.idle
                process.process.kill()
                process.process.join()

    @pytest.mark.more
    def test_a_script_without_a_guard(self, tmp_path: Path) -> None:
        """Each process imports the script, which sweeps once more; no run is to blame."""
        script = tmp_path / "script.py"
        script.write_text(
            "from small_nets.notebook import sweep\n"
            "from small_nets.sweep.executors import process_executor as processes\n"
            "processes.STARTING = 0.0\n"
            f"sweep('+experiment=temperature_mlp', 'trainer.max_epochs=2', 'engine=lightning',\n"
            f"      'seed=1,2', 'executor.workers=2', 'sweep.dir={tmp_path / 'out'}')\n"
        )
        done = subprocess.run(
            [sys.executable, script], cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "before it had begun to train, a process ended with exit code 1" in done.stderr
        assert 'Fix: if __name__ == "__main__": around' in done.stderr
        assert len(Store(tmp_path / "out").read()) == 0

    def test_one_that_cannot_begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process_executor, "_serve", _dies)
        with process_executor.Processes(Means(2**30, 1)) as executor:
            executor.submit([task(1)], PartFormat(Path(), "", {"run0": 0}, {}, []))
            with pytest.raises(OSError, match="had begun to train, a process ended with SIGKILL"):
                executor.ended(60.0, Store(Path("nowhere")))

    def test_what_is_no_fault_of_a_run_ends_the_sweep(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> None:
            raise error

        monkeypatch.setattr(process_executor, "perform_task", full)
        form = PartFormat(Path(), "", {}, {}, [])
        for error in (OSError(28, "No space left on device"), InputError("no GPU")):
            found = process_executor._answer(task(1), form, Means(2**30, 1))
            assert isinstance(found, OSError)
            assert str(error) in str(found)


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
            (
                ["executor=slurm", "sweep.device=cuda"],
                "sweep.device=cuda, but executor.gpus=0: the tasks would have no GPU.\n"
                "Fix: executor.gpus=1",
            ),
            (["executor=ray", "executor.gpus=2"], "executor.gpus=2, but sweep.device=cpu"),
            (["executor=ray,slurm"], "executor applies to the whole sweep"),
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
        monkeypatch.setattr("small_nets.sweep.executors.select.find_spec", lambda _: None)
        for kind in ("ray", "slurm"):
            with pytest.raises(InputError, match=re.escape(install_command(kind))):
                find_cluster({"kind": kind, "gpus": 0}, {"device": "cpu"})

    def test_an_address_of_nothing(self, sweep: Sweep) -> None:
        pytest.importorskip("ray")
        with pytest.raises(InputError, match="nothing answers there"):
            sweep("+experiment=sine", "seed=1,2", "executor=ray", "executor.address=127.0.0.1:9")

    @pytest.mark.more
    def test_an_address_of_something_else(self, sweep: Sweep) -> None:
        pytest.importorskip("ray")
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            with pytest.raises(InputError, match="what answers there is not Ray"):
                sweep("+experiment=sine", "seed=1,2", "executor=ray", f"executor.address={address}")

    def test_no_sbatch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("submitit")
        monkeypatch.setenv("PATH", "/nowhere")
        section = {"kind": "slurm", "part_seconds": 1.0, "stay_local": 0.0, "memory": "1GiB"}
        section["gpus"] = 0
        with pytest.raises(InputError, match="sbatch is not found here"):
            find_cluster(section, {"memory": None, "device": "cpu"})

    def test_a_single_run_has_no_executor(self, command: Callable[..., Answer]) -> None:
        done = command("src.train", "+experiment=temperature_mlp", "executor=ray")
        assert done.code == 2
        assert "executor=ray is for a sweep, and this is a single run" in done.err


class TestNothingIsLeft:
    """A command that is refused when its directory is held already."""

    def refuse(self, directory: Path) -> None:
        with pytest.raises(InputError), locked(directory):
            raise InputError("executor.cpus=64: no node has as many")

    def test_what_was_made_goes(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []

    def test_what_was_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "mine.txt").touch()
        self.refuse(tmp_path / "a" / "b")
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine.txt"]
        (tmp_path / "empty").mkdir()
        self.refuse(tmp_path / "empty")
        assert list((tmp_path / "empty").iterdir()) == []

    def test_what_was_written_stays(self, tmp_path: Path) -> None:
        with locked(tmp_path / "a"):
            (tmp_path / "a" / "sweep.json").touch()
        assert (tmp_path / "a" / "sweep.json").exists()

    def test_a_cluster_that_refuses(
        self, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Refuses:
            stay_local = part_seconds = 0.0

            def open(self, directory: Path) -> str:
                raise InputError(f"no node has as many for {directory}")

            def close(self) -> None:
                pass

        monkeypatch.setattr("small_nets.sweep.session.find_cluster", lambda *_: Refuses())
        with pytest.raises(InputError, match="no node has as many"):
            sweep("+experiment=temperature_mlp", "seed=1,2", to="new/sweep")
        assert list(tmp_path.iterdir()) == []


class TestBorrowed:
    def test_no_descriptor_is_left_open(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        before = len(list(Path("/proc/self/fd").iterdir()))
        name = remote_worker._write("/there/my.csv", b"a,b\n1,2\n")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert Path(name).name == "my.csv"
        assert Path(name).read_bytes() == b"a,b\n1,2\n"
        assert list(Path(name).parent.iterdir()) == [Path(name)]


def test_a_ray_without_nodes_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from small_nets.sweep.executors import ray_executor

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    section = {"part_seconds": 1.0, "stay_local": 0.0, "cpus": 2, "gpus": 0, "address": None}
    cluster = ray_executor.RayCluster(section, {})
    node = {"Alive": True, "Resources": {"CPU": 1.0}}
    monkeypatch.setattr(ray_executor.ray, "nodes", lambda: [node, node | {"Alive": False}])
    assert "no node of the Ray cluster has executor.cpus=2" in str(cluster.waits())
    node["Resources"] = {"CPU": 2.0}
    assert cluster.waits() is None
