"""What a predictor that has learned nothing would have: of accuracy, R² and RMSE, everywhere."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config import components
from small_nets.data.normalisation import fit as fit_normaliser
from small_nets.nn import losses
from small_nets.nn.losses import Loss, bce, cross_entropy, elementwise, mse
from small_nets.nn.metrics import accuracy
from small_nets.run.evaluate import (
    commonest_of,
    regression_metrics,
    squared_errors,
)
from small_nets.run.result_contents import baseline_of, of_table
from small_nets.sweep.results.standard import is_better_high
from tests.conftest import Finished, Swept

Finish = Callable[..., Finished]


@pytest.mark.parametrize("name", ["xor", "and_gate", "or_gate_by_hand", "circles", "moons"])
def test_the_commonest_class_of_the_examples(name: str, finish: Finish) -> None:
    """Of the training split, in each split."""
    done = finish(f"+experiment={name}", "trainer.max_epochs=0")
    data, found = done.run.data, done.json()["baseline"]
    assert data.train.target is not None
    most = (data.train.target > 0.5).double().mean().item() > 0.5
    for prefix, split in data.splits.items():
        assert split.target is not None
        share = ((split.target > 0.5) == most).double().mean().item()
        assert found[f"{prefix}/accuracy"] == pytest.approx(share)
        assert done.text.count(f"\n{prefix}/accuracy ") == 1
    line = next(row for row in done.text.splitlines() if row.startswith("train/accuracy"))
    assert float(line.split()[-1]) == pytest.approx(found["train/accuracy"], rel=1e-4)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_the_commonest_class(classes: list[int]) -> None:
    codes = torch.tensor(classes)
    one_hot = torch.eye(4)[codes]
    best = max(range(4), key=lambda i: (classes.count(i), -i))
    common = commonest_of(one_hot.double().mean(dim=0))
    assert common.tolist() == torch.eye(4)[best].tolist()
    share = accuracy(common.to(one_hot).expand_as(one_hot), one_hot).item()
    assert share == pytest.approx(classes.count(best) / len(classes))
    two = (codes > 1).float()[:, None]
    of_two = accuracy(commonest_of(two.double().mean(dim=0)).to(two).expand_as(two), two).item()
    assert of_two == pytest.approx(max(two.mean().item(), 1 - two.mean().item()))


@given(
    rows=st.lists(st.integers(0, 2), min_size=3, max_size=30).filter(lambda c: len(set(c)) == 3),
    weights=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
)
def test_the_constant_from_the_mean_is_that_from_the_rows(
    rows: list[int], weights: list[float]
) -> None:
    """What is stored with the weights of a run is its training split's mean, and no row."""
    target = torch.eye(3, dtype=torch.float64)[torch.tensor(rows)]
    two = target[:, :1]
    for targets, loss in ((target, cross_entropy), (two, bce), (target, mse)):
        count = 2 if loss is bce else 3
        weighted = replace(loss, weights=torch.tensor(weights[:count], dtype=torch.float64))
        for each in (loss,) if loss is mse else (loss, weighted):
            from_mean = each.best_constant_of_mean(targets.mean(dim=0))
            assert torch.allclose(from_mean, each.best_constant(targets))


@given(
    seed=st.integers(0, 1000), rows=st.integers(2, 50), outputs=st.integers(1, 3),
    scale=st.floats(1e-3, 1e6), method=st.sampled_from(["none", "standardize", "min_max"]),
)  # fmt: skip
def test_scores_by_numpy(seed: int, rows: int, outputs: int, scale: float, method: str) -> None:
    r = np.random.default_rng(seed)
    raw = torch.from_numpy(r.normal(size=(rows, outputs)) * scale + 3 * scale)
    guess = raw + torch.from_numpy(r.normal(size=(rows, outputs)) * scale * 0.3)
    normaliser = fit_normaliser(method, raw)
    y, p = normaliser.apply(raw), normaliser.apply(guess)
    names = [f"t{i}" for i in range(outputs)]
    found = regression_metrics(squared_errors(p, y), y, normaliser, names)
    mse_, variance = ((raw - guess) ** 2).mean(0).numpy(), raw.numpy().var(axis=0)
    r2 = 1 - mse_ / variance
    assert found["r2"] == pytest.approx(r2.mean(), rel=1e-6, abs=1e-9)
    for i, name in enumerate(names):
        suffix = "" if outputs == 1 else f"/{name}"
        assert found[f"rmse{suffix}"] == pytest.approx(mse_[i] ** 0.5, rel=1e-6)
        assert found[f"r2{suffix}"] == pytest.approx(r2[i], rel=1e-6, abs=1e-9)
    assert "rmse" not in found or outputs == 1  # of two units there is no common one


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 rows of two inputs and two targets, in units of their own, and a constant one."""
    path = tmp_path_factory.mktemp("baselines") / "my.csv"
    r = np.random.default_rng(0)
    x = r.normal(size=(80, 2))
    y = {"a": x[:, 0] * 2 + 1000, "b": np.sin(2 * x[:, 1])}
    pl.DataFrame({"x": x[:, 0], "z": x[:, 1]} | y).write_csv(path)
    return path


def own(table: Path, target: str) -> tuple[str, ...]:
    return ("data=table", f"data.path={table}", "data.inputs=[x,z]", f"data.target={target}")


def test_scores_do_not_depend_on_the_loss(table: Path, finish: Finish) -> None:
    """A loss that is ten times the squared error has the same R² and RMSE."""
    done = finish(*own(table, "a"), "trainer.max_epochs=20")

    def ten(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 10 * mse.value(prediction, target)

    other = replace(done.run, loss=replace(mse, value=ten))
    assert of_table(other) == of_table(done.run)
    rmse = {name: v for name, v in baseline_of(other).items() if "rmse" in name}
    assert rmse == {name: v for name, v in done.result.baseline.items() if "rmse" in name}
    assert all(done.result.metrics[name] == v for name, v in of_table(other).items())


def test_several_targets(table: Path, finish: Finish) -> None:
    done = finish(*own(table, "[a,b]"), "trainer.max_epochs=40", "logger=tensorboard")
    metrics, base = done.result.metrics, done.result.baseline
    for prefix in ("train", "val"):
        mean = (metrics[f"{prefix}/r2/a"] + metrics[f"{prefix}/r2/b"]) / 2
        assert metrics[f"{prefix}/r2"] == pytest.approx(mean)
        assert {f"{prefix}/loss", f"{prefix}/rmse/a", f"{prefix}/rmse/b"} == {
            name for name in base if name.startswith(prefix)
        }
    assert base["train/rmse/a"] == pytest.approx(2, rel=0.3)  # in the units of the column
    assert base["train/rmse/b"] == pytest.approx(0.7, rel=0.3)
    assert (done.directory / "fit.png").exists()
    assert "predicted a, b" in done.text
    stored = json.loads((done.directory / "result.json").read_text())["predictions"]
    assert all(len(row["prediction"]) == len(row["target"]) == 2 for row in stored)


@pytest.mark.parametrize("target", ["a", "[a,b]"])
def test_a_sweep_has_the_scores_of_its_single_runs(
    target: str, table: Path, finish: Finish, sweep: Callable[..., Swept]
) -> None:
    more = (*own(table, target), "trainer.max_epochs=30", "precision=64")
    done = sweep(*more, "seed=3,4", "logger=none", "sweep.directories=0")
    assert done.code == 0
    assert set(done.table["engine"]) == {"fused"}
    alone = finish(*more, "seed=4").result
    row = done.table.filter(pl.col("seed") == 4).row(0, named=True)
    scored = [name for name in alone.metrics if "r2" in name or "rmse" in name]
    assert len(scored) == (4 if target == "a" else 10)
    for name in scored:
        assert row[name] == pytest.approx(alone.metrics[name], rel=1e-8), name


@pytest.mark.more
def test_a_loss_that_is_no_squared_error(
    table: Path, finish: Finish, sweep: Callable[..., Swept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is added, as src/README.md says: R² and RMSE come from the predictions."""

    def back(g: Any, p: Any, y: Any) -> Any:
        return torch.where(p > y, g, torch.where(p < y, -g, 0.0))

    mae = Loss(
        "mae", torch.nn.functional.l1_loss, elementwise("mae", lambda p, y: abs(p - y), back),
        lambda rows, _: rows.median(dim=0).values,
    )  # fmt: skip
    monkeypatch.setattr(losses, "mae", mae, raising=False)
    row = components.Loss("small_nets.nn.losses.mae", {}, "regression", "numbers")
    monkeypatch.setitem(components.LOSSES, "mae", row)
    more = (*own(table, "a"), "loss._target_=mae", "trainer.max_epochs=30", "precision=64")
    alone = finish(*more, "seed=4")
    target, input = alone.run.data.train.target, alone.run.data.train.input
    assert target is not None
    raw = alone.run.data.from_network
    y, p = (raw(values.detach())[:, 0].numpy() for values in (target, alone.run.net(input)))
    found = {
        "train/rmse": ((y - p) ** 2).mean() ** 0.5,
        "train/r2": 1 - ((y - p) ** 2).mean() / y.var(),
    }
    for name, value in found.items():
        assert alone.result.metrics[name] == pytest.approx(value)
    assert alone.result.metrics["train/loss"] == pytest.approx(
        (target - alone.run.net(input)).abs().mean().item()
    )
    for engine in ("stacked", "fused"):
        done = sweep(*more, "seed=3,4", f"engine={engine}", "logger=none", "sweep.directories=0",
                     to=engine)  # fmt: skip
        assert set(done.table["engine"]) == {engine}
        row_of = done.table.filter(pl.col("seed") == 4).row(0, named=True)
        for name, value in found.items():
            assert row_of[name] == pytest.approx(value, rel=1e-8), (engine, name)


@pytest.mark.parametrize(("metric", "high"), [
    ("val/loss", False), ("val/r2", True), ("best/val/accuracy", True), ("accuracy", True),
    ("val/r2/loss", True), ("train/rmse/r2", False), ("val/rmse/accuracy", False), ("mse", False),
    ("best/val/loss", False), ("val/r2/a/b", True),
])  # fmt: skip
def test_which_way_a_metric_is_better(metric: str, high: bool) -> None:
    """A target may be called anything, also r2."""
    assert is_better_high(metric) is high


def test_a_search_measures_against_the_baseline(table: Path) -> None:
    from small_nets.run.build.build import build
    from small_nets.run.build.compose import compose_settings

    run = build(compose_settings("+experiment=moons")[0])
    assert baseline_of(run)["val/accuracy"] == pytest.approx(0.5, abs=0.1)
    run = build(compose_settings(*own(table, "a"))[0])
    assert baseline_of(run)["train/rmse"] == pytest.approx(2, rel=0.3)
