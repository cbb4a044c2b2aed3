"""The test split: evaluated once, at the end, and never what anything is chosen by."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from small_nets.commands import report
from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.known_metrics import metric_names
from small_nets.sweep.store.stored_run import checked_config, read_stored, trained_runs
from tests.conftest import Answer, Finished, Swept

Sweep = Callable[..., Swept]
TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=40", "data.test_fraction=0.2")


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A table with a number and a class to predict."""
    drawn = np.random.default_rng(0)
    kind = drawn.integers(0, 3, 90)
    path = tmp_path / "flowers.csv"
    pl.DataFrame({
        "a": kind + drawn.normal(0, 0.4, 90), "b": drawn.normal(0, 1, 90),
        "size": 2.0 * kind + drawn.normal(0, 0.3, 90), "kind": [*map("xyz".__getitem__, kind)],
    }).write_csv(path)  # fmt: skip
    return path


def test_of_a_single_run(finish: Callable[..., Finished]) -> None:
    done = finish(*TEMPERATURE)
    data, metrics = done.run.data, done.result.metrics
    assert data.test is not None
    assert data.test.target is not None
    with torch.no_grad():
        loss = ((done.run.net(data.test.input) - data.test.target) ** 2).mean().item()
    assert metrics["test/loss"] == loss
    mean = data.train.target.mean() if data.train.target is not None else 0.0
    constant = ((data.test.target - mean) ** 2).mean().item()
    assert done.json()["baseline"]["test/loss"] == pytest.approx(constant, rel=1e-6)
    assert not [name for name in done.result.curves if "test" in name]


def test_of_kept_weights(finish: Callable[..., Finished]) -> None:
    """Early stopping looks at validation alone; what it keeps is tested."""
    stop = "early_stop={patience: 2}"
    done = finish(*TEMPERATURE, "optimizer.lr=0.02", "log_every=1", stop)
    plain = finish("+experiment=temperature_mlp", "trainer.max_epochs=40", "log_every=1", stop)
    assert plain.result.metrics.get("test/loss") is None
    data = done.run.data
    assert data.test is not None
    assert data.test.target is not None
    with torch.no_grad():
        loss = ((done.run.net(data.test.input) - data.test.target) ** 2).mean().item()
    assert done.result.metrics["test/loss"] == loss


def same_as_alone(done: Swept) -> None:
    """The test metrics of a sweep's runs are those of the stored weights, run by run."""
    table = done.table
    names = [c for c in table.columns if c.startswith("test/")]
    assert "test/loss" in names
    for run_id, run in trained_runs(done.store, table["run_id"].to_list()):
        row = table.row(by_predicate=pl.col("run_id") == run_id, named=True)
        test = run.data.test
        assert test is not None
        assert test.target is not None
        with torch.no_grad():
            prediction = run.net(test.input)
        loss = run.loss(prediction, test.target).item()
        assert row["test/loss"] == pytest.approx(loss, rel=1e-5)
        if "test/accuracy" in names:
            right = (prediction.argmax(1) == test.target.argmax(1)).double().mean().item()
            assert row["test/accuracy"] == pytest.approx(right)
        config = checked_config(done.store, run_id)
        assert config["data"]["test_seed"] == 0
    assert not [c for c in done.store.curves(table["run_id"].to_list()).columns if "test" in c]


def test_of_a_sweep(sweep: Sweep) -> None:
    done = sweep(*TEMPERATURE, "seed=range(6)", "model.width=3,8", "sweep.verify=1")
    same_as_alone(done)
    assert "On the test split, 2 rows by which nothing was chosen, the best setting" in done.text
    assert done.text.count("test/loss") == 1  # of the chosen setting alone
    best = done.table.filter(pl.col("model.width") == pl.lit(_best_width(done)))
    assert f"test/loss {best['test/loss'].median():.4g}" in done.text
    stored = read_stored(done.store.directory / "0")
    metrics = stored.result.metrics
    assert metrics["test/loss"] == done.table["test/loss"][0]


def _best_width(done: Swept) -> str:
    medians = done.table.group_by("model.width").agg(pl.col("val/loss").median())
    return medians.sort("val/loss")["model.width"][0]


@pytest.mark.every(3)
@pytest.mark.parametrize("more", [
        ("data.target=kind", "loss=cross_entropy"),
        ("data.target=kind", "loss=cross_entropy", "loss.class_weight=balanced"),
        ("data.target=size", "engine=stacked"),
        ("data.target=size", "model.width=[4,3]", "model.activation=prelu"),
        ("data.target=[size,a]", "data.inputs=[b]"),
        ("data.target=size", "optimizer=sgd", "optimizer.lr=100", "early_stop=null"),
])  # fmt: skip
def test_of_tables_and_engines(sweep: Sweep, flowers: Path, more: tuple[str, ...]) -> None:
    table = ("data=table", f"data.path={flowers}", "data.inputs=[a,b]", "data.test_fraction=0.2")
    done = sweep(*table, "trainer.max_epochs=30", "seed=range(5)", *more)
    if "optimizer.lr=100" in more:
        assert set(done.table["status"]) == {"diverged"}
        return
    same_as_alone(done)
    if "data.target=size" in more:
        row = done.table.row(0, named=True)
        ((_, run),) = trained_runs(done.store, [row["run_id"]])
        test = run.data.test
        assert test is not None
        rows = run.data.tested.target
        assert rows is not None
        with torch.no_grad():
            raw = run.data.from_network(run.net(test.input))
        error = ((raw - rows[test.rows]) ** 2).mean().sqrt().item()
        assert row["test/rmse"] == pytest.approx(error, rel=1e-4)


def test_a_member_has_its_bits_in_any_company(sweep: Sweep) -> None:
    words = (*TEMPERATURE, "model.width=3,8")
    many = sweep(*words, "seed=range(9)", to="many").table.filter(pl.col("seed") < 2)
    few = sweep(*words, "seed=range(2)", to="few").table
    columns = ["model.width", "seed", "test/loss"]
    assert many.select(columns).sort(columns).equals(few.select(columns).sort(columns))


def test_drawn_data_have_one_too(sweep: Sweep) -> None:
    done = sweep("+experiment=moons", "trainer.max_epochs=5", "data.test_fraction=0.25",
                 "seed=range(5)")  # fmt: skip
    table = done.table
    for run_id, run in trained_runs(done.store, table["run_id"].to_list()):
        row = table.row(by_predicate=pl.col("run_id") == run_id, named=True)
        test = run.data.test
        assert test is not None
        assert test.target is not None
        with torch.no_grad():
            loss = run.loss(run.net(test.input), test.target).item()
        assert row["test/loss"] == pytest.approx(loss, rel=1e-5)


def test_no_metric_of_it_is_offered() -> None:
    run = build(compose_settings(*TEMPERATURE)[0])
    assert metric_names(run) == ["train/loss", "val/loss"]


REFUSED = [
    ("-m", *TEMPERATURE, "seed=range(5)", "success=test/loss<3"),
    (*TEMPERATURE, "success=test/loss<3"),
    ("-m", "hydra/sweeper=search", *TEMPERATURE, "model.width=range(2,9)",
     "search.metric=test/loss"),
]  # fmt: skip


@pytest.mark.every(2)
@pytest.mark.parametrize("words", REFUSED)
def test_nothing_is_chosen_by_it(
    command: Callable[..., Answer], tmp_path: Path, words: tuple[str, ...]
) -> None:
    where = "sweep.dir" if "-m" in words else "hydra.run.dir"
    done = command("src.train", *words, f"{where}={tmp_path / 'it'}")
    assert done.code == 2
    assert "evaluated once, at the end" in done.err
    assert "Fix: val/loss" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "it").exists()


def test_no_report_ranks_by_it(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    done = sweep(*TEMPERATURE, "seed=range(6)", "model.width=3,8")
    where = str(done.store.directory)
    for words in (["--metric", "test/loss"], ["--success", "test/loss<3"]):
        with pytest.raises((InputError, SystemExit)) as caught:
            report.main([where, *words])
        said = str(caught.value) + capsys.readouterr().err
        assert "evaluated once, at the end" in said
    report.main([where])
    page = (done.store.directory / "report.html").read_text()
    start = page.index('"metrics":[{')
    names = [m["name"] for m in json.JSONDecoder().raw_decode(page[start + 10 :])[0]]
    assert names
    assert not [name for name in names if "test" in name]
    assert "by which nothing was chosen" in page
