"""A run goes on where it stopped, to the bit: checkpoints, early stopping, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from tests.conftest import ROOT, Finished
from tests.run.runs import SAME, SHORT


@pytest.mark.every(2)
@pytest.mark.parametrize("extra", [
    (),
    ("data.batch_size=4", "optimizer=adam", "scheduler=exponential"),
    ("optimizer=rmsprop_by_hand", "trainer.gradient_clip_val=1.0", "data.batch_size=4"),
    ("optimizer=momentum", "early_stop={patience: 3}", "log_every=10"),
    ("optimizer=adam_by_hand", "log_every=7", "precision=64"),
])  # fmt: skip
def test_continuing_is_exact_to_the_bit(
    extra: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    whole = finish(*SHORT, *extra)
    half = finish(*SHORT, *extra, "trainer.max_epochs=33")
    rest = finish(*SHORT, *extra, f"ckpt={half.directory / 'checkpoint.ckpt'}")
    for key in (*SAME, "epochs", "steps"):
        assert whole.json()[key] == rest.json()[key], key


def test_bare_tensors_continue_too(finish: Callable[..., Finished]) -> None:
    base = ("+experiment=and_gate_tensors", "log_every=5")
    whole = finish(*base, "trainer.max_epochs=20")
    half = finish(*base, "trainer.max_epochs=9")
    rest = finish(*base, "trainer.max_epochs=20", f"ckpt={half.directory / 'checkpoint.ckpt'}")
    assert whole.json()["parameters"] == rest.json()["parameters"]


def refused(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        build(compose_settings(*overrides)[0])
    return str(caught.value)


@pytest.mark.more
def test_checkpoints_that_cannot_be_continued(
    finish: Callable[..., Finished], tmp_path: Path
) -> None:
    done = finish(*SHORT, "scheduler=cosine")
    path = done.directory / "checkpoint.ckpt"
    assert "does not exist" in refused(*SHORT, f"ckpt={tmp_path / 'none.ckpt'}")
    assert "is a directory" in refused(*SHORT, f"ckpt={tmp_path}")
    broken = tmp_path / "broken.ckpt"
    for content in (path.read_bytes()[:3000], b"hello", b""):
        broken.write_bytes(content)
        assert "not a complete checkpoint" in refused(*SHORT, f"ckpt={broken}")
    for content in ({"state_dict": {}}, {"run_config": 1}, {"run_config": {}}, [1]):
        torch.save(content, broken)
        assert "not written by this program" in refused(*SHORT, f"ckpt={broken}")
    message = refused(*SHORT, "scheduler=cosine", f"ckpt={path}", "optimizer.lr=0.5")
    assert "optimizer.lr: 0.001 there, 0.5 here" in message
    message = refused(*SHORT, "scheduler=cosine", f"ckpt={path}")
    assert "stands at epoch 60" in message
    message = refused(*SHORT, "scheduler=cosine", f"ckpt={path}", "trainer.max_epochs=90")
    assert "scheduler.steps" in message


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):  # type: ignore[override]
            return os.mkdir, (str(tmp_path / "pwned"),)

    path = tmp_path / "evil.ckpt"
    torch.save({"run_config": Evil()}, path)
    assert "not a complete checkpoint" in refused(*SHORT, f"ckpt={path}")
    assert not (tmp_path / "pwned").exists()


def test_early_stopping_keeps_the_best_weights(finish: Callable[..., Finished]) -> None:
    # After epoch 4000 the validation loss of this split rises again.
    done = finish("+experiment=temperature_mlp", "early_stop={patience: 5}")
    curve = done.result.curves["val/loss"]
    assert done.result.epochs < 5000
    assert len(curve) - 1 - curve.index(min(curve)) == 5
    assert done.result.metrics["val/loss"] == min(curve)


def test_the_best_weights_are_kept_whatever_the_minimum_gain(
    finish: Callable[..., Finished],
) -> None:
    done = finish(*SHORT, "early_stop={patience: 3, min_delta: 60}", "data.val_fraction=0")
    curve = done.result.curves["train/loss"]
    assert done.result.metrics["train/loss"] == min(curve) < curve[0] - 60


def test_a_checkpoint_of_an_early_stopped_run(finish: Callable[..., Finished]) -> None:
    stop = "early_stop={patience: 2}"
    done = finish(*SHORT, stop)
    path = done.directory / "checkpoint.ckpt"
    longer = (*SHORT, "trainer.max_epochs=90", f"ckpt={path}")
    assert "early_stop.patience: 2 there, null here" in refused(*longer)
    assert "log_every=10" in refused(*longer, stop, "log_every=5")


def test_early_stopping_with_a_minimum_gain(finish: Callable[..., Finished]) -> None:
    done = finish(*SHORT, "early_stop={patience: 1, min_delta: 1000}")
    assert done.result.epochs == 10


@pytest.mark.more
def test_ctrl_c_finishes_the_epoch_and_goes_on_to_the_bit(
    finish: Callable[..., Finished], tmp_path: Path
) -> None:
    base = ("+experiment=temperature_mlp", "logger=none", "print_every=1", "log_every=50")
    directory = tmp_path / "interrupted"
    with subprocess.Popen(
        [sys.executable, "-m", "src.train", *base, "trainer.max_epochs=100000",
         f"hydra.run.dir={directory}"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch      20"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "interrupted after epoch" in rest
    found = json.loads((directory / "result.json").read_text())
    assert found["status"] == "interrupted"
    epochs = found["epochs"] + 10
    ends = (*base, f"trainer.max_epochs={epochs}")
    went_on = finish(*ends, f"ckpt={directory / 'checkpoint.ckpt'}")
    assert went_on.json()["parameters"] == finish(*ends).json()["parameters"]
