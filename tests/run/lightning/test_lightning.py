"""Our module and data in the hands of a Lightning user: a Trainer and callbacks of one's own."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger

from small_nets.config.errors import InputError
from small_nets.run.build.build import build, build_data
from small_nets.run.build.compose import compose_settings
from small_nets.run.evaluate import evaluate
from small_nets.run.lightning.datamodule import ExampleData
from small_nets.run.lightning.logged_points import LoggedPoints
from small_nets.run.lightning.module import Example
from small_nets.run.spec import Run
from tests.conftest import Finished

SHORT = ("+experiment=temperature_mlp", "trainer.max_epochs=60", "log_every=10")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # torch's, of what Lightning calls
    pytest.mark.filterwarnings("ignore:.*srun"),  # Lightning's, on a cluster's machine
    pytest.mark.filterwarnings("ignore:Total length of `list`"),  # nothing was held out
]


def parts(*overrides: str) -> tuple[Run, Example, ExampleData]:
    run = build(compose_settings(*SHORT, *overrides)[0])
    return run, Example.of(run), ExampleData(partial(build_data, run.config))


def trainer(folder: Path, *callbacks: Callback, **settings: Any) -> pl.Trainer:
    settings = {"max_epochs": 12, "log_every_n_steps": 1} | settings
    return pl.Trainer(
        accelerator="cpu", callbacks=list(callbacks), logger=CSVLogger(folder),
        default_root_dir=folder, enable_progress_bar=False, enable_model_summary=False,
        **settings,
    )  # fmt: skip


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("monitor", ["val/loss", "train/loss"])
def test_lightnings_callbacks(monitor: str, every: int, tmp_path: Path) -> None:
    run, module, data = parts("scheduler=exponential")
    kept = ModelCheckpoint(tmp_path / "kept", monitor=monitor)
    stop = EarlyStopping(monitor, patience=2)
    mine = trainer(tmp_path, kept, stop, LearningRateMonitor(), check_val_every_n_epoch=every)
    mine.fit(module, data)
    losses = evaluate(run.net, run.loss, data.prepared)
    assert mine.callback_metrics["val/loss"].item() == losses["val/loss"]
    assert mine.callback_metrics["train/loss"].item() == losses["train/loss"]
    assert kept.best_model_score is not None
    assert kept.best_model_score.item() == losses[monitor] == stop.best_score.item()
    assert mine.logger is not None
    lines = Path(str(mine.logger.log_dir), "metrics.csv").read_text().splitlines()
    assert {"val/loss", "train/loss", "lr-SGD"} <= set(lines[0].split(","))
    both = lines[0].split(",").index("train/loss")
    assert len([line for line in lines[1:] if line.split(",")[both]]) == 12 // every


def test_early_stopping_of_ones_own_stops(tmp_path: Path) -> None:
    _, module, data = parts("data.val_fraction=0")
    mine = trainer(tmp_path, EarlyStopping("train/loss", min_delta=1e9, patience=3))
    mine.fit(module, data)
    assert mine.current_epoch == 4


def test_a_run_s_points_reach_other_callbacks(tmp_path: Path) -> None:
    run, module, _ = parts()
    points = LoggedPoints(run, None)
    kept = ModelCheckpoint(tmp_path / "kept", monitor="train/loss", every_n_epochs=10)
    data = ExampleData(lambda: run.data)
    mine = trainer(tmp_path, points, kept, max_epochs=20, limit_val_batches=0)
    mine.fit(module, data)
    assert points.curves["step"] == [0, 10, 20]
    assert mine.callback_metrics["val/loss"].item() == points.curves["val/loss"][-1]
    assert kept.best_model_score is not None
    assert kept.best_model_score.item() == points.curves["train/loss"][-1]
    assert mine.logger is not None
    lines = Path(str(mine.logger.log_dir), "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "0", "10", "20"]


def test_test_validate_and_predict(finish: Callable[..., Finished], tmp_path: Path) -> None:
    done = finish(*SHORT)
    module = Example.of(done.run)
    data = ExampleData(partial(build_data, done.run.config))
    mine = trainer(tmp_path)
    (tested,) = mine.test(module, data, verbose=False)
    (validated,) = mine.validate(module, data, verbose=False)
    wanted = done.result.metrics["val/loss"]
    assert tested["test/loss"] == validated["val/loss"] == pytest.approx(wanted, rel=1e-6)
    (found,) = mine.predict(module, data)  # type: ignore[misc]
    table = done.run.data.table
    with torch.no_grad():
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, done.run.net(data.prepared.to_network(table.input)))


@pytest.mark.parametrize(
    "overrides",
    [
        SHORT,
        (
            "+experiment=temperature_mlp",
            "trainer.max_epochs=20",
            "precision=64",
            "scheduler=cosine",
        ),
        ("+experiment=circles", "trainer.max_epochs=5", "loss.class_weight=balanced"),
    ],
)
def test_a_checkpoint_builds_its_module(
    overrides: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    done = finish(*overrides)
    path = done.directory / "checkpoint.ckpt"
    assert torch.load(path, weights_only=True)["hyper_parameters"]["config"] == done.run.config
    module = Example.load_from_checkpoint(path, weights_only=True)
    found, wanted = module.net.state_dict(), done.run.net.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert module.hparams["config"] == done.run.config
    data = build_data(module.hparams["config"])
    with torch.no_grad():
        assert torch.equal(module(data.train.input), done.run.net(done.run.data.train.input))
    assert evaluate(module.net, module.loss, data) == evaluate(
        done.run.net, done.run.loss, done.run.data
    )
    assert (module.schedule is None) == (done.run.schedule is None)
    if module.schedule is not None and done.run.schedule is not None:
        assert [module.schedule(i) for i in range(9)] == [done.run.schedule(i) for i in range(9)]


@pytest.mark.parametrize("section", ["model", "loss", "optimizer", "scheduler"])
def test_a_checkpoint_imports_nothing(
    section: str, finish: Callable[..., Finished], tmp_path: Path
) -> None:
    done = finish(*SHORT)
    content = torch.load(done.directory / "checkpoint.ckpt", weights_only=True)
    content["hyper_parameters"]["config"][section]["_target_"] = "antigravity.fly"
    torch.save(content, tmp_path / "sent.ckpt")
    with pytest.raises(InputError, match="allow-list"):
        Example.load_from_checkpoint(tmp_path / "sent.ckpt")
    assert "antigravity" not in sys.modules


def test_setup_prepares_once_and_leaves_torch_s_stream() -> None:
    config = compose_settings(*SHORT)[0]
    data = ExampleData(partial(build_data, config))
    torch.manual_seed(3)
    wanted = torch.get_rng_state()
    data.setup("fit")
    first = data.prepared
    data.setup("test")
    assert data.prepared is first
    assert torch.equal(torch.get_rng_state(), wanted)
