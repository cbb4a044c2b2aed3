"""Runs and sweeps as a notebook calls them, and the example notebook, executed."""

import json
import shlex
import threading
from pathlib import Path

import nbformat
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from nbclient import NotebookClient

from small_nets.config.errors import InputError
from small_nets.notebook import load, run, sweep
from tests.conftest import ROOT, Answer, Finished

TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=40")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_is_that_of_the_command(finish, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    plain: Finished = finish(*TEMPERATURE, "seed=3")
    first, second = (run(*TEMPERATURE, "seed=3") for _ in range(2))
    for done in (first, second):
        assert done.metrics == plain.result.metrics
        assert done.result.run_id == plain.result.run_id
        assert done.curves["val/loss"].to_list() == plain.result.curves["val/loss"]
        assert {"result.json", "weights.safetensors", ".hydra", "checkpoint.ckpt"} <= {
            path.name for path in done.directory.iterdir()
        }
        assert load(done.directory).config["seed"] == 3
    assert first.directory != second.directory
    assert first.predictions["prediction"].to_list() == [
        p["prediction"] for p in plain.result.predictions
    ]
    row = plain.result.predictions[0]
    assert first.predict([row["input"]]) == [pytest.approx(row["prediction"])]
    assert first.net(torch.zeros(2, 1)).shape == (2, 1)
    assert set(first.figures) == {"fit", "loss"}
    assert first.figures["fit"]._repr_png_().startswith(b"\x89PNG")
    shown = first._repr_html_()
    assert f"{first.metrics['val/loss']:.6g}" in shown
    assert "data:image/png;base64," in shown
    assert "Final metrics" in first.text
    assert capsys.readouterr().out == ""


@pytest.mark.more
def test_nothing_is_left_behind() -> None:
    threads, state, alive = torch.get_num_threads(), torch.get_rng_state(), threading.active_count()
    for _ in range(2):
        run(*TEMPERATURE)
        sweep(*TEMPERATURE, "seed=0,1", "sweep.dir=s")
    assert not GlobalHydra.instance().is_initialized()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert threading.active_count() == alive


def test_a_sweep_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = sweep(*TEMPERATURE, "seed=range(3)", "optimizer=sgd,adam")
    assert table.select("seed", "optimizer").rows() == [
        (seed, optimizer) for seed in range(3) for optimizer in ("sgd", "adam")
    ]
    alone = run(*TEMPERATURE, "seed=2", "optimizer=adam").metrics["val/loss"]
    assert table["val/loss"][5] == pytest.approx(alone, rel=1e-4)
    assert "6 runs: 6 completed. outputs/temperature_mlp/sweep_" in capsys.readouterr().out
    more = sweep(*TEMPERATURE, "seed=range(2)", "sweep.dir=s")
    again = sweep(*TEMPERATURE, "seed=range(3)", "sweep.dir=s")
    assert again.head(2).drop("seconds").equals(more.drop("seconds"))
    capsys.readouterr()
    assert sweep(*TEMPERATURE, "seed=0,1", "sweep.dry_run=true").is_empty()
    assert "Sweep: 2 runs to train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "overrides", "message"),
    [
        (run, ("+experiment=sine", "optimizer.lrr=1"), "Did you mean lr?"),
        (run, ("+experiment=sine", "seed=1,2"), "several values are a sweep"),
        (run, ("+experiment=sine", "sweep.verify=3"), "is for a sweep"),
        (run, (), "No experiment was chosen"),
        (sweep, ("+experiment=sine", "seed=range(2)", "optimizer=sdg"), "Did you mean sgd?"),
        (sweep, ("+experiment=sine", "seed=interval(0,1)"), "has infinitely many values"),
        (sweep, ("+experiment=sine", "seed=1,2", "sweep.verify=-1"), "sweep.verify=-1 is not"),
    ],
)
def test_bad_input_leaves_nothing(call, overrides: tuple[str, ...], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        call(*overrides)
    assert list(Path.cwd().iterdir()) == []
    assert not GlobalHydra.instance().is_initialized()


def test_a_used_directory_is_refused() -> None:
    run(*TEMPERATURE, "hydra.run.dir=here")
    with pytest.raises(InputError, match="already holds a run"):
        run(*TEMPERATURE, "hydra.run.dir=here")


def test_it_can_be_used_by_predict(command) -> None:  # type: ignore[no-untyped-def]
    run("+experiment=proportional", "trainer.max_epochs=50", "hydra.run.dir=here")
    answer: Answer = command("src.predict", "here", "--inputs", "[[2.5]]")
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.more
def test_the_example_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executed as Jupyter does; the bar and the pictures are there."""
    notebook = nbformat.read(ROOT / "tests" / "first_steps.ipynb", as_version=4)
    here = {"metadata": {"path": str(tmp_path)}}
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=here).execute()
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    shown = [o.get("data", {}) for o in outputs]
    pages = [data["text/html"] for data in shown if "text/html" in data]
    assert "data:image/png;base64" in pages[0]
    assert any("80 runs: 80 completed" in page for page in pages)
    assert sum("image/png" in data for data in shown) == 1
    assert "Did you mean" in outputs[-1].text
    assert list((tmp_path / "outputs").iterdir())


@pytest.mark.more
def test_what_went_wrong_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*TEMPERATURE, "seed=0,1", "sweep.dir=s")
    about = json.loads(Path("s/sweep.json").read_text())
    words = ["python", "-m", "src.train", "-m", *TEMPERATURE, "seed=0,1", "sweep.dir=s"]
    assert shlex.split(about["command"]) == words
    capsys.readouterr()
    sweep(*TEMPERATURE, "seed=0,1,2", "sweep.dir=s", "sweep.dry_run=true")
    assert "1 run to train, 2 already there" in capsys.readouterr().out
    monkeypatch.setattr("small_nets.sweep.results.verify.BOUNDS", {32: -1.0, 64: -1.0})
    monkeypatch.setattr("small_nets.sweep.results.verify.SENSITIVITY", -1)
    sweep(*TEMPERATURE, "seed=0,1", "sweep.dir=s", "sweep.verify=1")
    assert "Do not trust this sweep" in capsys.readouterr().out
