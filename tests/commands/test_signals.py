"""SIGINT, SIGTERM and SIGHUP end every command at every moment, with its code and no traceback."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from small_nets.sweep.store.store import Store
from tests.conftest import ROOT, Finished

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
LONG = ("+experiment=temperature_mlp", "logger=none", "print_every=1", "log_every=50",
        "trainer.max_epochs=100000")  # fmt: skip


def started(folder: Path, *arguments: str, ignored: int | None = None) -> subprocess.Popen[str]:
    def ignore() -> None:
        if ignored is not None:
            signal.signal(ignored, signal.SIG_IGN)

    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=ignore,
    )  # fmt: skip


def until(process: subprocess.Popen[str], text: str) -> str:
    """What it says up to a line with this text."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(said)


def rest(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=120)
    assert "Traceback" not in said
    assert "Error" not in said
    return said


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_run_finishes_its_epoch_and_goes_on_to_the_bit(
    number: signal.Signals, finish: Callable[..., Finished], tmp_path: Path
) -> None:
    """SIGINT is in test_run.py. Lightning's own SIGTERM would end it with exit code 0."""
    with started(tmp_path, "src.train", *LONG, "hydra.run.dir=here") as process:
        until(process, "epoch      20")
        process.send_signal(number)
        said = rest(process)
    assert process.returncode == CODES[number]
    assert "interrupted after epoch" in said
    found = json.loads((tmp_path / "here" / "result.json").read_text())
    assert found["status"] == "interrupted"
    ends = (*LONG[:4], f"trainer.max_epochs={found['epochs'] + 10}")
    went_on = finish(*ends, f"ckpt={tmp_path / 'here' / 'checkpoint.ckpt'}")
    assert went_on.json()["parameters"] == finish(*ends).json()["parameters"]


@pytest.mark.slow
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Out of epochs that would take hours."""
    slow = ("+experiment=sine", "data.batch_size=1", "log_every=1", "logger=none", "print_every=1",
            "trainer.max_epochs=100000")  # fmt: skip
    with started(tmp_path, "src.train", *slow, "hydra.run.dir=here") as process:
        until(process, "epoch       1")
        process.send_signal(signal.SIGTERM)
        until(process, "once more ends it at once")
        process.send_signal(signal.SIGTERM)
        said = rest(process)
    assert process.returncode == 143
    assert "interrupted" in said


@pytest.mark.parametrize("engine", ["lightning", pytest.param("fused", marks=pytest.mark.slow)])
def test_a_sweep_loses_the_part_in_flight_at_most(engine: str, tmp_path: Path) -> None:
    line = ("-m", "+experiment=temperature_mlp", "seed=range(400)", "model.width=range(3,9)",
            f"engine={engine}", "executor.workers=1", "sweep.directories=0",
            "trainer.max_epochs=500", "sweep.dir=here")  # fmt: skip
    with started(tmp_path, "src.train", *line) as process:
        deadline = time.monotonic() + 100
        while len(list((tmp_path / "here" / "runs").glob("*.parquet"))) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said = rest(process)
    assert process.returncode == 143
    stored = len(Store(tmp_path / "here").read())
    assert f"interrupted: {stored:,} runs are stored" in said
    assert stored >= 2


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "import src; from small_nets.system.signals import take_signals\ntake_signals()\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "assert callable(signal.getsignal(signal.SIGTERM))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
def test_nohup_is_respected(tmp_path: Path) -> None:
    line = (*LONG[:4], "trainer.max_epochs=400", "hydra.run.dir=here")
    with started(tmp_path, "src.train", *line, ignored=signal.SIGHUP) as process:
        until(process, "epoch      20")
        process.send_signal(signal.SIGHUP)
        rest(process)
    assert process.returncode == 0
    assert json.loads((tmp_path / "here" / "result.json").read_text())["status"] == "completed"


def moments(count: int, seconds: float, seed: int) -> list[float]:
    """Delays over the life of a command, in seconds: from the first import to the last write."""
    drawn = random.Random(seed)
    return [seconds * drawn.random() for _ in range(count)]


COMMANDS = {
    "train": ("src.train", "+experiment=proportional", "trainer.max_epochs=300", "pictures=all"),
    "sweep": ("src.train", "-m", "+experiment=proportional", "seed=range(20)", "sweep.verify=1"),
    "search": ("src.train", "-m", "hydra/sweeper=search", "+experiment=proportional",
               "optimizer.lr=interval(0.001,0.1)", "search.trials=20"),
    "predict": ("src.predict", "../run", "--inputs", "[[2.0]]", "--out", "out.csv"),
    "report": ("src.report", "../sweep"),
    "pictures": ("src.report", "../run"),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a sweep."""
    folder = tmp_path_factory.mktemp("made")
    line = ("+experiment=proportional", "trainer.max_epochs=20")
    for more in ((*line, "hydra.run.dir=run"), ("-m", *line, "seed=1,2", "sweep.dir=sweep")):
        with started(folder, "src.train", *more) as process:
            rest(process)
        assert process.returncode == 0
    return folder


def ended_at(folder: Path, command: Sequence[str], number: signal.Signals, delay: float) -> None:
    """Send the signal so long after the first line of our code could have run."""
    folder.mkdir()
    with started(folder, *command) as process:
        time.sleep(delay)
        process.send_signal(number)
        said = rest(process)
    # Before Python has come to our first line the system ends it; after the last, nobody does.
    assert process.returncode in (CODES[number], -number, 0), said
    assert not list(folder.rglob("*.tmp"))
    for path in folder.rglob("out.csv"):
        assert path.read_text().count("\n") == 2  # whole


STARTUP = 0.15  # of the interpreter, whose own Ctrl-C is a traceback


@pytest.mark.more
@pytest.mark.parametrize(("name", "number"), [("train", signal.SIGINT), ("search", signal.SIGTERM),
                                              ("sweep", signal.SIGHUP)])  # fmt: skip
def test_a_moment_of_a_command(name: str, number: signal.Signals, tmp_path: Path) -> None:
    (delay,) = moments(1, 1.5, seed=len(name))
    ended_at(tmp_path / "here", COMMANDS[name], number, STARTUP + delay)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("number", CODES)
def test_many_moments_of_a_command(name: str, number: signal.Signals, made: Path) -> None:
    for i, delay in enumerate(moments(6, 5.0, seed=number + 100 * len(name))):
        ended_at(made / f"{name}-{number.name}-{i}", COMMANDS[name], number, STARTUP + delay)
