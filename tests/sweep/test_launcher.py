"""Our doors to Hydra: its conformance suite for launchers, other sweepers, and real commands."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import version
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from polars.testing import assert_frame_equal

from small_nets.sweep.store.store import Store
from tests.conftest import ROOT, Answer

Command = Callable[..., Answer]
# Hydra's suite uses what Hydra deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")
MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=40")


@pytest.fixture
def base() -> Iterator[None]:
    """The version of Hydra's rules that its suite is written for, whatever ran before it."""
    state = version.VersionBase.instance()
    before = state.version_base
    version.setbase("1.1")
    yield
    state.version_base = before


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("batched", [])])
class TestHydrasLauncherSuite(LauncherTestSuite):
    """Hydra's own, with its task functions, which know nothing of us."""


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [("batched", ["hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2"])],
)
class TestHydrasBatchedSuite(BatchedSweeperTestSuite):
    """Hydra's own, several launches in one sweep."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=batched"])],
)
class TestHydrasIntegrationSuite(IntegrationTestSuite):
    """Hydra's own, in processes: working directories, job names."""

    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_hydra_finds_the_doors() -> None:
    found = {f"{plugin.__module__}.{plugin.__name__}" for plugin in Plugins.instance().discover()}
    assert {
        "hydra_plugins.batched.BatchedLauncher",
        "hydra_plugins.batched.BatchedSweeper",
    } <= found


class TestCommand:
    @pytest.mark.more
    def test_named_sweep_in_batches(self, command: Command, tmp_path: Path) -> None:
        done = command(
            "src.train", "-m", *MLP, "+sweep=seeds", "hydra.sweeper.params.seed='range(5)'",
            "hydra.sweeper.max_batch_size=3", "sweep.dir=out",
        )  # fmt: skip
        assert done.code == 0, done.err
        assert Store(tmp_path / "out").read()["seed"].to_list() == [0, 1, 2, 3, 4]
        assert done.out.count("runs to train") == 2
        assert (tmp_path / "out" / "multirun.yaml").exists()

    def test_hydras_own_launcher_and_sweeper(self, command: Command, tmp_path: Path) -> None:
        plain = "hydra/launcher=basic", "hydra/sweeper=basic", "logger=none"
        done = command("src.train", "-m", *MLP, "seed=1,2", *plain, "sweep.dir=plain")
        assert done.code == 0, done.err
        assert (tmp_path / "plain" / "1" / "checkpoint.ckpt").exists()
        done = command("src.train", "-m", *MLP, "seed=1,2", "hydra/sweeper=basic", "sweep.dir=ours")
        assert done.code == 0, done.err
        assert len(Store(tmp_path / "ours").read()) == 2

    def test_failure_and_refusal(self, command: Command, tmp_path: Path) -> None:
        done = command("src.train", "-m", *MLP, "optimizer.lr=0.001,abc", "sweep.dir=out")
        assert done.code == 1
        assert "failed: optimizer.lr=abc is not allowed" in done.out
        assert "Traceback" not in done.out + done.err
        done = command("src.train", "-m", *MLP, "seed=range(0)")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Error: The grid is empty: seed has no values.\n")
        assert not (tmp_path / "outputs").exists()

    def test_one_run_through_the_engine(self, command: Command, tmp_path: Path) -> None:
        done = command("src.train", *MLP, "engine=stacked", "hydra.run.dir=one")
        assert done.code == 0, done.err
        names = {p.name for p in (tmp_path / "one").iterdir() if "events" not in p.name}
        assert names == {".hydra", "result.json", "weights.safetensors", "fit.png", "loss.png"}
        done = command("src.train", "+experiment=spam", "engine=stacked")
        assert (done.code, done.out) == (2, "")
        assert "engine=stacked cannot train this run: it has no target" in done.err

    @pytest.mark.slow  # test_a_killed_sweep_goes_on is the same for one moment
    @pytest.mark.parametrize("times", [1, 3])
    def test_killed_at_random_moments(self, times: int, command: Command, tmp_path: Path) -> None:
        """SIGKILL; then the table of an undisturbed sweep, to the bit."""
        wanted = [
            *("-m", "+experiment=temperature_mlp", "trainer.max_epochs=500", "seed=0,1"),
            *("model.width=3,4,5,6,7,8", "optimizer=sgd,adam"),
        ]
        whole = command("src.train", *wanted, "sweep.dir=whole")
        assert whole.code == 0, whole.err
        seconds = random.Random(os.getpid())
        for _ in range(times):
            process = subprocess.Popen(
                [sys.executable, "-m", "src.train", *wanted, "sweep.dir=killed"],
                cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            parts = tmp_path / "killed" / "runs"
            before = set(parts.glob("*.parquet"))
            began = time.monotonic()
            while set(parts.glob("*.parquet")) <= before:
                assert process.poll() is None
                assert time.monotonic() - began < 120
                time.sleep(0.01)
            time.sleep(seconds.uniform(0.0, 0.5))
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = command("src.train", *wanted, "sweep.dir=killed")
        assert done.code == 0, done.err
        tables = [Store(tmp_path / name).read().drop("seconds") for name in ("whole", "killed")]
        assert_frame_equal(tables[0], tables[1])
        curves = [Store(tmp_path / name).curves().sort("run_id", "step")
                  for name in ("whole", "killed")]  # fmt: skip
        assert_frame_equal(curves[0], curves[1])
        assert all((tmp_path / "killed" / str(job) / "result.json").exists() for job in range(24))

    @pytest.mark.more
    def test_two_processes_on_one_directory(self, command: Command, tmp_path: Path) -> None:
        wanted = [
            *("-m", "+experiment=temperature_mlp", "seed=range(4)", "sweep.dir=out"),
            *("engine=stacked", "sweep.compile=false"),  # of which it lasts long enough
        ]
        first = subprocess.Popen(
            [sys.executable, "-m", "src.train", *wanted, "trainer.max_epochs=300000"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not (tmp_path / "out" / "sweep.json").exists():
                assert first.poll() is None
                time.sleep(0.05)
            second = command("src.train", *wanted, "trainer.max_epochs=10")
            assert second.code == 2
            assert f"is in use: process {first.pid} on" in second.err
        finally:
            first.kill()
            first.wait()
        assert command("src.train", *wanted, "trainer.max_epochs=10").code == 0
