"""The command `report`: its tables read back, runs repeated alone, what it refuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small_nets.commands import report
from small_nets.commands.predict import read_run
from small_nets.notebook import run
from small_nets.page.export import ranking_table
from small_nets.run.pictures.from_directory import _lesson
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.manifest import read_manifest, rewrite
from small_nets.sweep.store.store import Store
from tests.conftest import Answer, Swept, quiet
from tests.page.conftest import GRID

LOSS = Standard("val/loss")
Sweep = Callable[..., Swept]


def test_nothing_to_compare(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    store = sweep("+experiment=weather", "seed=0,1").store
    with pytest.raises(SystemExit):
        report.main([str(store.directory)])
    assert capsys.readouterr().err.endswith("cannot be compared: none has a loss\n")


def test_tables(grid: Store, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(grid.directory)
    ranked = rank(grid.read(), list(grid.swept), LOSS)
    for form in ("csv", "parquet", "md"):
        report.main([directory, "--format", form])
    written = capsys.readouterr().out
    assert [f"report: {directory}/{n}" in written
            for n in ("ranking.csv", "runs.parquet", "report.md")] == [True] * 3  # fmt: skip
    for name, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        found = read(grid.directory / f"ranking.{name}")
        assert found["worth"].to_list() == pytest.approx([r.worth for r in ranked])
        assert found["mean"].is_null().to_list() == [r.mean is None for r in ranked]
        assert (found["succeeded"] <= found["n"]).all()
        assert found["optimizer"].to_list() == [r.setting["optimizer"] for r in ranked]
        assert len(read(grid.directory / f"runs.{name}")) == 96
    text = (grid.directory / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert f"{ranked[0].worth:.6g}" in row
    assert "## Failures and divergences" in text
    assert ranking_table(ranked, LOSS)["alike"][0] is True


def test_a_swept_metric_ranks(grid: Store, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(grid.directory), "--format", "md", "--metric", "train/loss"])
    assert "Settings by median train/loss over seeds" in capsys.readouterr().out


def test_a_run_gets_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("+experiment=xor", "model.width=2", "trainer.max_epochs=20", "hydra.run.dir=here")
    report.main(["here"])
    assert "here/features.png\n" in capsys.readouterr().out
    assert Path("here/training.gif").stat().st_size > 1000
    with pytest.raises(SystemExit):
        report.main(["here", "--rerun", "3"])
    assert "--rerun is for a sweep, and here is a single run" in capsys.readouterr().err


def test_refusals(grid: Store, command: Callable[..., Answer], tmp_path: Path) -> None:
    for arguments, words in (
        (("nowhere",), "nowhere does not exist: there is no sweep.json and no"),
        ((str(tmp_path),), "is not the directory of a sweep or a run"),
        ((str(grid.directory), "--metric", "val/los"), "Did you mean val/loss?"),
    ):
        answer = command("src.report", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("Error: ")
        assert words in answer.err
        assert "Traceback" not in answer.err


def test_event_files_for_some_runs(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    store = sweep(
        *GRID[:2], "seed=range(7)", "optimizer.lr=0.0001,0.001", "sweep.directories=0"
    ).store
    table = store.read().filter(status="completed").sort("val/loss")
    (best, *_), (*_, second, worst) = table["job"], table["job"]
    directory = str(store.directory)
    report.main([directory, "--tensorboard", f"{worst}"])
    kept = (store.directory / str(worst) / "result.json").read_bytes()
    report.main([directory, "--tensorboard", "worst:2"])
    said = capsys.readouterr().out
    for job, how in ((worst, "there already"), (second, "written")):
        assert f"run {job}: tensorboard --logdir {store.directory / str(job)}  ({how})" in said
    assert (store.directory / str(worst) / "result.json").read_bytes() == kept
    events = EventAccumulator(str(store.directory / str(worst)))
    events.Reload()
    row = table.filter(job=worst).row(0, named=True)
    assert events.Scalars("val/loss")[-1].value == pytest.approx(row["val/loss"])
    report.main([directory, "--tensorboard", "best:1"])
    assert (store.directory / str(best) / "result.json").exists()
    for text, words in (("4,999", "there is no run 999: the sweep has 14 runs"),
                        ("best", "names no runs.\nAllowed: job numbers"),
                        (f"best:{10**20}", "names no runs"), ("٣", "names no runs"),
                        ("9" * 5000, "names no runs")):  # fmt: skip
        with pytest.raises(SystemExit):
            report.main([directory, "--tensorboard", text])
        assert words in capsys.readouterr().err


def test_rerun(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone, with everything logged, and it ends where the table says; else the command fails."""
    store = sweep(*GRID[:2], "seed=0,1", "optimizer.lr=0.0001,10,-1", "pictures=few").store
    directory = str(store.directory)
    report.main([directory, "--rerun", "0"])
    assert re.search(r"^0 +completed .* equal *$", capsys.readouterr().out, re.MULTILINE)
    again = store.directory / "rerun_0"
    names = {path.name for path in again.iterdir()}
    assert {"fit.png", "result.json", "checkpoint.ckpt", ".hydra"} <= names
    row = store.read().filter(job=0).row(0, named=True)
    found = json.loads((again / "result.json").read_text())
    assert found["run_id"] == row["run_id"]
    assert found["metrics"]["val/loss"] == pytest.approx(row["val/loss"], rel=1e-4)
    report.main([directory, "--rerun", "1"])  # diverged, both
    assert "diverged" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        report.main([directory, "--rerun", "2"])
    assert refused.value.code == 2
    assert "run 2 failed, so that nothing was trained: optimizer.lr=-1" in capsys.readouterr().err
    (weights,) = (store.directory / "weights").glob("0000000*")
    tensors = load_file(weights)
    with safe_open(weights, framework="pt") as file:
        about = file.metadata()
    save_file({name: t + 1 for name, t in tensors.items()}, weights, metadata=about)
    with pytest.raises(SystemExit) as broken:
        report.main([directory, "--rerun", "0"])
    assert broken.value.code == 2
    assert weights.name in capsys.readouterr().err  # changed after it was written
    part = read_manifest(store.directory, weights.stem)
    rewrite(store.directory, part, part.runs, {"weights": weights.read_bytes()})
    with pytest.raises(SystemExit) as broken:
        report.main([directory, "--rerun", "0"])
    assert broken.value.code == 1
    assert (store.directory / "rerun_0_2" / "result.json").exists()  # nothing is overwritten
    assert json.loads((again / "result.json").read_text()) == found
    assert "DIFFERENT" in capsys.readouterr().out


def test_what_halving_stopped(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """Repeated alone, and walked again for its pictures, it ends where halving stopped it."""
    store = sweep(*GRID[:2], "seed=0", "optimizer.lr=0.01,0.0001", "scheduler=cosine",
                  "sweep.halving={factor: 2, first: 20}").store  # fmt: skip
    row = store.read().row(0, named=True)
    assert (row["status"], row["epochs"]) == ("stopped", 20)
    report.main([str(store.directory), "--rerun", "0"])
    said = capsys.readouterr().out
    assert re.search(r"^0 +stopped .* equal *$", said, re.MULTILINE)
    assert "stopped after epoch 20 of 60, as the halving of its sweep did" in said
    found = json.loads((store.directory / "rerun_0" / "result.json").read_text())
    assert (found["status"], found["epochs"]) == ("stopped", 20)
    assert found["metrics"]["val/loss"] == pytest.approx(row["val/loss"], rel=1e-4)
    report.main([str(store.directory), "--tensorboard", "0"])
    run = store.directory / "0"
    lesson = _lesson(read_run(run), quiet())
    assert lesson.curves["val/loss"] == pytest.approx(found["curves"]["val/loss"], rel=1e-4)
    assert lesson.step == found["steps"]


def test_the_best_run_of_a_metric_that_should_be_high(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    done = sweep("+experiment=xor", "model.width=null,4", "seed=0,1", "trainer.max_epochs=200")
    assert done.table["train/accuracy"].n_unique() > 1
    report.main([str(done.store.directory), "--metric", "train/accuracy", "--format", "md"])
    best = done.table["train/accuracy"].max()
    assert re.search(
        rf"best run of the best setting: \d+, train/accuracy {best:.6g}", capsys.readouterr().out
    )
