"""A table of one's own, from its file to its result."""

import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from small_nets.config.components import LOSSES
from small_nets.config.errors import InputError
from small_nets.data.table_columns import read_columns
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.evaluate import predict as predict_rows
from small_nets.run.notes import notes
from small_nets.run.outputs.identity import run_id
from small_nets.run.pictures.shown_rows import shown_splits
from small_nets.run.terminal.run_summary import show_start
from tests.data.tables import CLASSES, GOOD, Finish, own

WAYS = {
    "plain": GOOD,
    "byte order mark": "\ufeff" + GOOD,
    "windows": GOOD.replace("\n", "\r\n"),
    "semicolons": GOOD.replace(",", ";"),
    "tabs": GOOD.replace(",", "\t"),
    "quotes": GOOD.replace("a,b", '"a","b"').replace("4,5", '"4",5'),
    "spaces around names": GOOD.replace("a,b", "a, b "),
    "spaces in cells": GOOD.replace("4,5", "4, 5").replace("7,1", "7 ,1"),
    "blank lines at the end": GOOD + "\n\n",
    "blank line at the start": "\n" + GOOD,
    "other columns": GOOD.replace("c\n", "c,note,,\n", 1).replace("3\n", '3,"x, y\nz",,\n', 1)
    .replace("7\n", "7,,,\n", 1).replace("8\n", "8,,,\n").replace("1\n", "1,,,\n")
    .replace("4\n", "4,,,\n"),
    "no newline at the end": GOOD.rstrip(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_write_the_same_csv(way: str, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(WAYS[way], newline="")
    found = read_columns(path, ["b", "a"], "c")
    assert found.target is not None
    assert found.inputs.tolist() == [[2, 1], [5, 4], [1, 7], [2, 2], [9, 3]]
    assert found.target.tolist() == [3, 7, 8, 1, 4]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20))
def test_csv_and_parquet_hold_the_same_numbers(
    rows: list[tuple[float, float]], tmp_path: Path
) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b"], orient="row")
    frame.write_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows))
    wanted = np.array(rows)
    for name in ("x.parquet", "x.csv"):
        found = read_columns(tmp_path / name, ["a", "b"]).inputs
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("cells", "classes", "codes"), [
    (["b", "a", "b", "c"], ("a", "b", "c"), [1, 0, 1, 2]),
    (["01", "1", "01", "1e0"], ("01", "1", "1e0"), [0, 1, 0, 2]),
    (["1", "x", "1", "x"], ("1", "x"), [0, 1, 0, 1]),
    (["Ja, gut", "Nein", "Nein", "Ja, gut"], ("Ja, gut", "Nein"), [0, 1, 1, 0]),
])  # fmt: skip
def test_labels(
    cells: list[str], classes: tuple[str, ...], codes: list[int], tmp_path: Path
) -> None:
    frame = pl.DataFrame({"a": range(len(cells)), "c": cells})
    frame.write_csv(tmp_path / "x.csv")
    frame.with_columns(pl.col("c").cast(pl.Categorical)).write_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        found = read_columns(tmp_path / name, ["a"], "c", "classes")
        assert found.classes == classes
        assert found.target is not None
        assert found.target.tolist() == codes


def test_the_task_follows_from_the_loss() -> None:
    tasks = {"mse": "regression", "mse_by_hand": "regression", "bce_log_odds": "binary",
             "bce": "binary", "cross_entropy_by_hand": "classes"}  # fmt: skip
    assert {loss: LOSSES[loss].task for loss in tasks} == tasks


def test_a_linear_run_reaches_least_squares(numbers: Path, finish: Finish) -> None:
    """R² and RMSE, by numpy's least squares on the same split, and by hand from the predictions."""
    done = finish(
        *own(numbers, "a,b,c,d,e,f,g,h", "y"),
        "model.width=null",
        "early_stop=null",
        "optimizer.lr=0.05",
        "trainer.max_epochs=400",
    )
    table = pl.read_csv(numbers).to_numpy()
    metrics = done.json()["metrics"]
    train, val = done.run.data.train.rows.numpy(), done.run.data.splits["val"].rows.numpy()
    assert (len(train), len(val)) == (360, 90)
    design = np.column_stack([table[:, :8], np.ones(len(table))])
    scale = np.abs(design).max(axis=0)  # columns of 1 and of ten million
    weights = np.linalg.lstsq(design[train] / scale, table[train, 8], rcond=None)[0]
    for name, rows in (("train", train), ("val", val)):
        y = table[rows, 8]
        best = y - design[rows] / scale @ weights
        raw = torch.tensor(table[rows, :8], dtype=torch.float32)
        mine = y - predict_rows(done.run.net, done.run.data, raw)[:, 0].double().numpy()
        for residual, tolerance in ((best, 1e-3), (mine, 1e-5)):
            r2 = 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum()
            assert metrics[f"{name}/r2"] == pytest.approx(r2, rel=tolerance)
            rmse = np.sqrt((residual**2).mean())
            assert metrics[f"{name}/rmse"] == pytest.approx(rmse, rel=tolerance)
    assert metrics["train/r2"] > 0.9
    assert done.json()["baseline"]["train/rmse"] == pytest.approx(table[train, 8].std(), rel=1e-5)
    assert "val/r2" in done.text


def test_what_was_done_is_in_the_result(numbers: Path, finish: Finish) -> None:
    done = finish(*own(numbers, "b,a", "y"), "trainer.max_epochs=1")
    data = done.json()["config"]["data"]
    wanted = {
        "normalize_input": "standardize", "normalize_target": "standardize",
        "input_name": "b, a", "target_name": "y", "inputs": ["b", "a"], "classes": None,
    }  # fmt: skip
    assert {key: data[key] for key in wanted} == wanted
    assert re.fullmatch("[0-9a-f]{32}", data["digest"])
    assert (done.directory / "result.json").stat().st_size < 100_000
    assert "predicted y" in done.text


def test_the_content_counts_and_not_the_path(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text(GOOD)
    other.write_text(GOOD)
    first = run_id(compose_settings(*own(one))[0])
    assert run_id(compose_settings(*own(other))[0]) == first
    assert run_id(compose_settings(*own(other, "b,a"))[0]) != first
    other.write_text(GOOD + "1,1,1\n")
    assert run_id(compose_settings(*own(other))[0]) != first


def test_a_table_that_changes_before_it_is_built(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD)
    found = compose_settings(*own(path))[0]
    path.write_text(GOOD + "1,1,1\n")
    with pytest.raises(InputError, match="has changed since"):
        build(found)


def test_a_checkpoint_belongs_to_its_table(tmp_path: Path, finish: Finish) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD)
    ckpt = finish(*own(path), "trainer.max_epochs=2").directory / "checkpoint.ckpt"
    moved = path.rename(tmp_path / "moved.csv")
    assert finish(*own(moved), f"ckpt={ckpt}", "trainer.max_epochs=4").result.epochs == 4
    moved.write_text(GOOD + "1,1,1\n")
    with pytest.raises(InputError, match=r"the content of .* is not what it was"):
        build(compose_settings(*own(moved), f"ckpt={ckpt}", "trainer.max_epochs=4")[0])


def test_what_is_said_of_a_table(tmp_path: Path, finish: Finish) -> None:
    """A constant input, and a class that the training split does not hold."""
    path = tmp_path / "my.csv"
    rows = [f"{i},5,{'z' if i == 9 else 'xy'[i % 2]}\n" for i in range(10)]
    path.write_text("a,b,c\n" + "".join(rows))
    late = ("data.shuffle=false", CLASSES, "trainer.max_epochs=3")
    done = finish(*own(path), *late)
    constant, missing = notes(done.run)
    assert constant.startswith("the input 'b' has one value, 5")
    assert missing.startswith("the class 'z' has no row in the training split")
    text = io.StringIO()
    show_start(Console(file=text, width=160, markup=False), done.run, {})
    assert f"warning: {constant}" in text.getvalue()
    assert "c from a, b, " in text.getvalue()
    assert done.result.status == "completed"


def test_a_validation_split_of_one_row_has_no_r2(tmp_path: Path, finish: Finish) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD)
    metrics = finish(*own(path), "trainer.max_epochs=3").result.metrics
    assert "val/rmse" in metrics
    assert "val/r2" not in metrics


def test_columns_that_are_called_by_numbers(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD.replace("a,b,c", "2019,2020,2021"))
    found = compose_settings(*own(path, "2019,2020", "2021"))[0]
    assert found["data"]["inputs"] == ["2019", "2020"]
    assert build(found).data.table.input.shape == (5, 2)


def test_double_precision_keeps_the_digits(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("a,c\n0.1,1\n123456789.123,2\n3,3\n4,4\n5,5\n")
    data = build(compose_settings(*own(path, "a"), "precision=64")[0]).data
    assert data.table.input[:2, 0].tolist() == [0.1, 123456789.123]


def test_a_picture_shows_ten_thousand_rows(tmp_path: Path, finish: Finish) -> None:
    path = tmp_path / "my.parquet"
    x = np.random.default_rng(0).normal(size=30_000)
    pl.DataFrame({"a": x, "c": 2 * x}).write_parquet(path)
    done = finish(*own(path, "a"), "trainer.max_epochs=1")
    shown, note = shown_splits(done.run.data)
    assert note == "\n10,000 of 30,000 rows shown"
    assert {name: len(split) for name, split in shown.items()} == {"train": 8000, "val": 2000}
