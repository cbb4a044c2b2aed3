"""A stored run, read once: its net between raw units, and the same run by every way to it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
import torch

from small_nets.commands import predict
from small_nets.config import conf_files, defaults_lists
from small_nets.config.errors import InputError
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.data.normalisation import fit
from small_nets.notebook import load, run
from small_nets.run.evaluate import predict as predicted_by
from small_nets.run.outputs.raw_net import RawNet
from small_nets.run.outputs.result import KINDS, Result
from small_nets.run.outputs.stored_run import StoredRun
from tests.conftest import Finished, Swept

TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=20", "logger=none")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.every(4)
@pytest.mark.parametrize("name", conf_files.experiments())
def test_every_example_can_be_loaded(name: str, finish: Callable[..., Finished]) -> None:
    """To the bit as the run itself; with fixed weights, and without a target, too."""
    few = () if defaults_lists.experiment(name).get("trainer", {}).get("max_epochs", 1) == 0 else (
        "trainer.max_epochs=2",)  # fmt: skip
    done = finish(f"+experiment={name}", "logger=none", *few)
    again = load(done.directory)
    rows = done.run.data.table.input
    wanted = predicted_by(done.run.net, done.run.data, rows)
    assert torch.equal(again.net(rows), wanted)
    assert again.predict(rows.tolist()) == wanted.tolist()
    assert not again.net.training
    assert again.config == {k: v for k, v in done.result.config.items() if k not in SWEEP_ONLY}
    assert again.metrics == pytest.approx(done.result.metrics, abs=0, rel=0, nan_ok=True)
    assert again.curves.columns == list(done.result.curves)


@pytest.mark.parametrize("precision", [32, 64])
@pytest.mark.parametrize("method", ["none", "standardize", "min_max", "constant:0.1", "lp_norm:5"])
def test_the_raw_net_is_the_formula(method: str, precision: int) -> None:
    """As the normalisers have it: float64 around the net, and rounded once in front of it."""
    dtype = {32: torch.float32, 64: torch.float64}[precision]
    x = torch.rand(20, 3, dtype=torch.float64) * 1e6 + 1.7e9
    y = torch.rand(20, 2, dtype=torch.float64)
    input, target, net = fit(method, x), fit(method, y), torch.nn.Linear(3, 2).to(dtype)
    with torch.no_grad():
        wanted = target.invert(net(input.apply(x).to(dtype)))
        raw = RawNet(net, input, target, dtype)
        assert torch.equal(raw(x), wanted)
        state = {name: values.clone() for name, values in raw.state_dict().items()}
        other = RawNet(torch.nn.Linear(3, 2).to(dtype), fit("none", x), fit("none", y), dtype)
        other.load_state_dict(state)
        assert torch.equal(other(x), wanted)
        assert torch.equal(
            RawNet(net, input, None, dtype)(x), net(input.apply(x).to(dtype)).double()
        )
    with pytest.raises(ValueError, match=r"\(20, 1\): the network takes \(rows, 3\)"):
        raw(x[:, :1])  # which would be broadcast over the columns


def test_what_ran_and_what_is_loaded_are_the_same() -> None:
    done = run(*TEMPERATURE, "data.normalize_target=standardize", "hydra.run.dir=here")
    again = load("here")
    assert repr(again) == repr(done)
    assert again._repr_html_() == done._repr_html_()
    assert again.curves.equals(done.curves)
    assert again.predictions.equals(done.predictions)
    assert again.config == done.config
    assert again.predict([[50.0]]) == done.predict([[50.0]])
    assert list(again.figures) == list(done.figures) == ["fit", "loss"]
    with pytest.raises(InputError, match=r"row 2 holds \[1e\+300\], beyond"):
        again.predict([[1.0], [1e300]])
    with pytest.raises(ValueError, match="the network takes"):
        again.predict([[1.0, 2.0]])


def test_a_run_of_a_sweep_needs_no_directory(sweep: Callable[..., Swept]) -> None:
    """From the store: the same net, config and curves, and of the result what a table holds."""
    done = sweep(*TEMPERATURE, "data.normalize_target=standardize", "seed=range(3)",
                 "early_stop={patience: 2}", "log_every=1")  # fmt: skip
    place = done.store.directory / "1"
    there = load(place)
    assert there.result.parameters  # read before it is gone
    shutil.rmtree(place)
    stored = load(str(place))
    assert stored.predict([[20.0], [70.0]]) == there.predict([[20.0], [70.0]])
    assert stored.config == there.config
    assert stored.curves.equals(there.curves)
    for name in ("experiment", "seed", "status", "epochs", "steps", "kept", "run_id"):
        assert getattr(stored.result, name) == getattr(there.result, name), name
    assert stored.metrics == pytest.approx(there.metrics, rel=1e-5)
    assert (stored.result.baseline, stored.predictions.is_empty()) == ({}, True)
    assert stored.figures == {}
    assert f"<p>{place}</p>" in stored._repr_html_()
    row = done.table.row(by_predicate=pl.col("job") == 1, named=True)
    assert stored.metrics["val/loss"] == row["val/loss"]


def test_half_a_directory_of_a_job_is_not_taken(sweep: Callable[..., Swept]) -> None:
    """Its result is the last that is written: without one, the store has the run."""
    done = sweep(*TEMPERATURE, "seed=range(2)")
    place = done.store.directory / "1"
    wanted = load(place).predict([[50.0]])
    (place / "result.json").unlink()
    (place / "weights.safetensors").write_bytes(b"half")
    assert load(place).predict([[50.0]]) == wanted


def test_what_cannot_be_loaded(
    finish: Callable[..., Finished], sweep: Callable[..., Swept]
) -> None:
    done = finish(*TEMPERATURE)
    with pytest.raises(InputError, match="does not exist"):
        load("nowhere")
    (done.directory / "result.json").write_text("{")
    (done.directory / ".hydra").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=r"nor a result\.json with a config"):
        load(done.directory)
    swept = sweep(*TEMPERATURE, "seed=0,0.5")
    with pytest.raises(InputError, match="one of its runs, by number"):
        load(swept.store.directory)
    with pytest.raises(InputError, match="failed, so that nothing was trained"):
        load(swept.store.directory / "1")
    with pytest.raises(InputError, match="there is no run 7"):
        load(swept.store.directory / "7")


def test_nothing_that_lies_there_acts(tmp_path: Path) -> None:
    """A name in its config imports nothing, and its weights are never unpickled."""
    run(*TEMPERATURE, "hydra.run.dir=here")
    (tmp_path / "evil_module.py").write_text("raise RuntimeError('imported')")
    config = tmp_path / "here" / ".hydra" / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("_target_: mlp", "_target_: evil_module.run"))
    with pytest.raises(InputError, match=r"evil_module\.run(.|\n)*nothing was imported"):
        load("here")
    config.write_text(text)
    torch.save(Evil(), tmp_path / "here" / "weights.safetensors")
    with pytest.raises(InputError, match="is not a complete weights file"):
        load("here")
    assert not Path("acted").exists()


class Evil:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (Path("acted"), "")


def test_curves_that_cannot_be_believed(
    sweep: Callable[..., Swept], capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are whole all the same; the file is named."""
    done = sweep(*TEMPERATURE, "seed=range(2)")
    shutil.rmtree(done.store.directory / "1")
    (path,) = (done.store.directory / "curves").iterdir()
    path.write_bytes(b"")
    again = load(done.store.directory / "1")
    with pytest.raises(InputError, match=path.name):
        _ = again.curves
    predict.main([str(done.store.directory / "1"), "--inputs", "[[50.0]]"])
    said = capsys.readouterr()
    assert "whether the run diverged is not known" in said.err
    assert path.name in said.err
    assert "Predictions" in said.out


def test_a_run_that_diverged(
    finish: Callable[..., Finished], sweep: Callable[..., Swept], capsys: pytest.CaptureFixture[str]
) -> None:
    """Said wherever it is read from; its numbers that are not finite are NaN."""
    words = ("+experiment=temperature_linear", "optimizer.lr=0.1", "logger=none")
    done = finish(*words)
    swept = sweep(*words, "seed=0,1")
    shutil.rmtree(swept.store.directory / "0")
    for place in (done.directory, swept.store.directory / "0"):
        again = load(place)
        assert again.stored.is_diverged
        assert again.result.status == "diverged"
        assert not again.curves["train/loss"].is_finite().all()
        assert "diverged" in repr(again)
        predict.main([str(place), "--inputs", "[[50.0]]"])
        assert "this run diverged, and its predictions mean nothing" in capsys.readouterr().err


def test_a_copy_without_its_result(finish: Callable[..., Finished]) -> None:
    done = run(*TEMPERATURE)
    (done.directory / "result.json").unlink()
    again = load(done.directory)
    assert again.predict([[50.0]]) == done.predict([[50.0]])
    assert not again.stored.is_diverged
    with pytest.raises(InputError, match=r"result\.json is not the result of a run"):
        _ = again.result


def test_nothing_of_the_caller_is_disturbed() -> None:
    run(*TEMPERATURE, "hydra.run.dir=here")
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            again = load("here")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), state)
    assert {p.dtype for p in again.net.parameters()} == {torch.float32}
    again.net(torch.ones(2, 1)).sum().backward()


def test_a_wrong_directory_is_answered_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom small_nets.commands import predict\n"
        "try:\n    predict.main(['nowhere'])\nexcept SystemExit as error:\n    code = error.code\n"
        "assert code == 2 and not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           env={"PYTHONPATH": ":".join(p for p in sys.path if p.endswith("src"))},
                           check=False)  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "nowhere does not exist" in found.stderr


def test_one_class_for_a_directory(finish: Callable[..., Finished]) -> None:
    """Nothing is read twice: the result once it is asked for, and then never again."""
    done = finish(*TEMPERATURE)
    stored = StoredRun.read(done.directory)
    assert stored.result is stored.result
    assert stored.net is stored.net
    found = stored.run()
    assert all(map(torch.equal, found.net.parameters(), stored.net.net.parameters()))
    path = stored.path(found.net)
    assert path is not None
    assert path.steps[-1] == stored.result.steps


def test_every_field_of_a_result_is_read() -> None:
    assert list(KINDS) == [field.name for field in fields(Result)]
