"""Early stopping keeps the best finite point, also of a run that diverges afterwards."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from small_nets.commands import predict
from small_nets.run.outputs.weights import load_weights
from small_nets.sweep.store.store import Store
from tests.conftest import Finished, Swept

# A rate that grows: warmup ends where gradient descent diverges. The loss falls first.
RISING = ("+experiment=temperature_linear", "scheduler=warmup", "scheduler.steps=300",
          "optimizer.lr=0.2", "trainer.max_epochs=300", "log_every=60", "analysis=null",
          "early_stop={patience: 10}")  # fmt: skip


@pytest.mark.parametrize("engine", ["lightning", "stacked", "fused"])
def test_a_single_run(engine: str, finish: Callable[..., Finished]) -> None:
    done = finish(*RISING, f"engine={engine}")
    found = done.json()
    assert found["status"] == "diverged"
    losses = [math.inf if v is None else v for v in found["curves"]["val/loss"]]
    best = losses.index(min(losses))
    assert 0 < best < len(losses) - 1, "it fell, and then diverged"
    assert found["kept"] == found["curves"]["step"][best]
    assert found["metrics"]["val/loss"] == pytest.approx(losses[best], rel=1e-6)
    assert found["steps"] > found["kept"]
    assert f"diverged, after epoch {found['epochs']}" in done.text
    assert f"kept the weights of step {found['kept']}, the best" in done.text
    weights = load_weights(done.directory / "weights.safetensors")
    assert all(torch.isfinite(p).all() for p in weights.parameters.values())
    assert all(math.isfinite(row["prediction"][0]) for row in found["predictions"])


@pytest.mark.parametrize("engine", ["lightning", "stacked", "fused"])
@pytest.mark.parametrize(("overrides", "early", "words"), [
    ((), True, "stopped early, after epoch 60 "),
    (("trainer.max_epochs=60",), False, "trained to the end, after epoch 60 "),
], ids=["before the last epoch", "in it"])  # fmt: skip
def test_whether_it_stopped_early(
    engine: str, overrides: tuple[str, ...], early: bool, words: str,
    finish: Callable[..., Finished],
) -> None:  # fmt: skip
    """No logged point is better than the first by so much: patience ends at epoch 60."""
    done = finish(
        "+experiment=temperature_mlp", "early_stop={patience: 3, min_delta: 1e9}", "log_every=20",
        "trainer.max_epochs=200", *overrides, f"engine={engine}",
    )  # fmt: skip
    found = done.json()
    assert (found["status"], found["epochs"]) == ("completed", 60)
    assert found["stopped_early"] == early
    assert words in done.text


def test_all_engines_keep_the_same_point(finish: Callable[..., Finished]) -> None:
    runs = [finish(*RISING, "precision=64", f"engine={e}").json()
            for e in ("lightning", "stacked", "fused")]  # fmt: skip
    assert len({found["kept"] for found in runs}) == 1
    first = runs[0]["parameters"]["output_linear.weight"]["values"][0][0]
    for found in runs[1:]:
        value = found["parameters"]["output_linear.weight"]["values"][0][0]
        assert value == pytest.approx(first, rel=1e-9)


def test_a_sweep(
    sweep: Callable[..., Swept], finish: Callable[..., Finished],
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    done = sweep(*RISING, "optimizer.lr=0.2,0.001", "seed=1,2", "sweep.verify=4")
    assert done.code == 0, done.text
    table = done.table.filter(status="diverged")
    assert len(table) == 2
    assert (table["kept_step"] > 0).all()
    assert table["val/loss"].is_finite().all()
    assert (table["val/loss"] == table["best/val/loss"]).all()
    assert [math.isnan(loss) for loss in done.losses] == [True, True, False, False]
    job = table["job"][0]
    found = json.loads((done.store.directory / str(job) / "result.json").read_text())
    assert (found["status"], found["kept"]) == ("diverged", table["kept_step"][0])
    predict.main([f"{done.store.directory}/{job}", "--inputs", "[[50.0]]"])
    assert capsys.readouterr().err == "", "what was kept means something"
    alone = finish(*RISING, f"seed={table['seed'][0]}").json()
    assert alone["kept"] == found["kept"]
    assert alone["metrics"]["val/loss"] == pytest.approx(found["metrics"]["val/loss"], rel=1e-4)
    assert Store(done.store.directory).read()["status"].to_list().count("diverged") == 2


def test_without_early_stopping_the_last_weights_stay(finish: Callable[..., Finished]) -> None:
    found = finish(*RISING, "early_stop=null").json()
    assert (found["status"], found["kept"]) == ("diverged", None)
