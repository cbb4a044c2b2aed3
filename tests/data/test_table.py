"""A table of the user's own: what is read, what is refused, and what a run on it leaves."""

import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from small_nets.commands import predict
from small_nets.config.components import LOSSES
from small_nets.config.errors import InputError
from small_nets.data.table_columns import read_columns
from small_nets.data.table_settings import complete
from small_nets.nn.metrics import probabilities
from small_nets.run.build.build import _fixed_table, build
from small_nets.run.build.compose import compose_settings
from small_nets.run.evaluate import predict as predict_rows
from small_nets.run.figures.classes import confusion_figure
from small_nets.run.figures.figure import to_png
from small_nets.run.fit import fit
from small_nets.run.lightning.train import train_by_lightning
from small_nets.run.notes import notes
from small_nets.run.outputs.result import run_id
from small_nets.run.pictures.shown_rows import shown_splits
from small_nets.run.result_contents import conclude
from small_nets.run.terminal.run_summary import show_start
from small_nets.sweep.training.rows import quiet
from tests.conftest import ROOT, Answer, Finished, Swept, predicted

Finish = Callable[..., Finished]
CLASSES = "loss=cross_entropy"
BINARY = ("loss=bce", "model.output_activation=sigmoid")
DECIDED = ("digest", "classes", "label_type", "categories", "dropped",
           "normalize_target", "input_name", "target_name")  # fmt: skip
GOOD = "a,b,c\n1,2,3\n4,5,7\n7,1,8\n2,2,1\n3,9,4\n"


def own(path: Path | str, inputs: str = "a,b", target: str = "c") -> tuple[str, ...]:
    """The overrides of a run on a table."""
    return ("data=table", f"data.path={path}", f"data.inputs=[{inputs}]", f"data.target={target}")


# text of the file, inputs, target, loss -> what the message must say
REGRESSION: tuple[str, ...] = ()
BAD: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...]]] = {
    "empty": ("", "a,b", "c", REGRESSION, ("is empty", "a line of column names")),
    "blank": ("\n\n", "a,b", "c", REGRESSION, ("is empty",)),
    "header": ("a,b,c\n", "a,b", "c", REGRESSION, ("no row below its header",)),
    "one row": ("a,b,c\n1,2,3\n", "a,b", "c", REGRESSION, ("one row", "at least two rows")),
    "missing": (
        GOOD.replace("a,", "age,"), "ago,b", "c", REGRESSION,
        ("no column 'ago'", "age, b, c", "Did you mean age?"),
    ),
    "missing target": (GOOD, "a,b", "d", REGRESSION, ("no column 'd'", "a, b, c")),
    "text": (GOOD + "1,abc,2\n", "a,b", "c", REGRESSION,
             ("line 7, column 'b' is 'abc'", "not a number")),
    "quoted lines": (
        'a,b,c,note\n1,2,3,"two\nlines"\n1,x,2,y\n', "a,b", "c", REGRESSION,
        ("line 4, column 'b' is 'x'",),
    ),
    "missing value": (GOOD + "NA,1,2\n", "a,b", "c", REGRESSION,
                      ("column 'a': 1 of 6 rows, the first in line 7 ('NA')", "data.missing=drop")),
    "nan": (GOOD + "1,NaN,2\n", "a,b", "c", REGRESSION,
            ("column 'b': 1 of 6 rows, the first in line 7 ('NaN')",)),
    "infinity": (GOOD + "1,2,-inf\n", "a,b", "c", REGRESSION, ("line 7, column 'c' is -inf",)),
    "cell": (GOOD + "1,,2\n", "a,b", "c", REGRESSION,
             ("column 'b': 1 of 6 rows, the first in line 7 (empty)",)),
    "blank line": (GOOD + "\n1,2,3\n", "a,b", "c", REGRESSION, ("line 7 is empty",)),
    "long row": (GOOD + "1,2,3,4\n", "a,b", "c", REGRESSION,
                 ("line 7 has 4 cells", "3 columns", "double quotes")),
    "short row": (GOOD + "1,2\n", "a,b", "c", REGRESSION, ("line 7 has 2 cells",)),
    "duplicate": ("a,b,a,c\n1,2,3,4\n5,6,7,8\n", "b", "c", REGRESSION,
                  ("'a' more than once", "columns 1, 3")),
    "date": ("a,b,c\n1,2024-05-01,3\n4,2024-05-02,5\n", "a,b", "c", REGRESSION,
             ("line 2, column 'b'", "a date")),
    "target is input": (GOOD, "a,b,c", "c", REGRESSION, ("'c' is the target, and an input",)),
    "input twice": (GOOD, "a,a", "c", REGRESSION, ("has a more than once",)),
    "constant target": ("a,b,c\n1,2,3\n4,5,3\n", "a,b", "c", REGRESSION, ("is 3 in every row",)),
    "text target": ("a,b,c\n1,2,x\n4,5,y\n", "a,b", "c", REGRESSION,
                    ("line 2, column 'c' is 'x'", "loss=cross_entropy")),
    "one class": ("a,b,c\n1,2,x\n4,5,x\n", "a,b", "c", (CLASSES,), ("one class, 'x'",)),
    "three classes": ("a,b,c\n1,2,x\n4,5,y\n1,1,z\n", "a,b", "c", BINARY,
                      ("3 classes (x, y, z)", "loss=cross_entropy")),
    "date classes": ("a,b,c\n1,2,2024-01-01\n4,5,2024-01-02\n", "a,b", "c", (CLASSES,),
                     ("holds dates",)),
    "fractions": ("a,b,c\n1,2,0.5\n4,5,1.5\n", "a,b", "c", (CLASSES,), ("0.5", "loss=mse")),
    "no label": ("a,b,c\n1,2,x\n4,5,\n1,1,y\n", "a,b", "c", (CLASSES,),
                 ("column 'c': 1 of 3 rows, the first in line 3 (empty)",)),
    "nan label": ("a,b,c\n1,2,1\n4,5,nan\n1,1,2\n", "a,b", "c", (CLASSES,),
                  ("column 'c': 1 of 3 rows, the first in line 3 ('nan')",)),
    "numbers as labels": (
        "a,b,c\n" + "".join(f"1,{i},{i}\n" for i in range(200)), "a,b", "c", (CLASSES,),
        ("200 different values", "at most 100"),
    ),
    "no sigmoid": ("a,b,c\n1,2,0\n4,5,1\n", "a,b", "c", ("loss=bce",),
                   ("model.output_activation=sigmoid",)),
    "normalised classes": (
        "a,b,c\n1,2,0\n4,5,1\n1,1,1\n3,4,0\n5,5,0\n", "a,b", "c",
        (CLASSES, "data.normalize_target=standardize"), ("would move the classes",),
    ),
    "own classes": (GOOD, "a,b", "c", (CLASSES, "data.classes=[x,y]"), ("found in its target",)),
    "own digest": (GOOD, "a,b", "c", ("data.digest=abc",), ("the program fills it in",)),
    "accuracy of numbers": (GOOD, "a,b", "c", ("metrics=[accuracy]",), ("loss=bce",)),
}  # fmt: skip


@cache
def composed(more: tuple[str, ...]) -> dict[str, Any]:
    """The settings of a run on a good table, as they are before the table decides anything.

    Hydra composes for half a second: once for each loss.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("a,b,c\n1,2,0\n4,5,1\n7,1,0\n")
        file.flush()
        found = compose_settings(*own(file.name), *more)[0]
    return found | {"data": found["data"] | dict.fromkeys(DECIDED)}


def refusal(path: Path, inputs: str = "a,b", target: str = "c", more: tuple[str, ...] = ()) -> str:
    """The message for a run on a bad table."""
    with pytest.raises(InputError) as caught:
        build(settings_of(path, inputs, target, more))
    return str(caught.value)


def settings_of(path: Path, inputs: str, target: str, more: tuple[str, ...]) -> dict[str, Any]:
    """The completed settings of a run on a table. Raises InputError."""
    if more not in (REGRESSION, (CLASSES,), BINARY):
        return compose_settings(*own(path, inputs, target), *more)[0]
    before = composed(more)
    named = {"path": str(path), "inputs": inputs.split(","), "target": target}
    return complete(before | {"data": before["data"] | named})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_csv(name: str, tmp_path: Path) -> None:
    text, inputs, target, more, words = BAD[name]
    path = tmp_path / "my.csv"
    path.write_text(text)
    message = refusal(path, inputs, target, more)
    for word in words:
        assert word in message
    assert not words[0].startswith("line") or f"my.csv, {words[0]}" in message


FRAME = {"a": [1.0, 2.0, 5.0], "b": [1, 2, 3], "c": [1.0, 3.0, 2.0]}


@pytest.mark.parametrize(("column", "values", "words"), [
    ("b", pl.Series(["2024-01-01"] * 3).str.to_date(), ("a date",)),
    ("c", ["x", "y", "z"], ("row 1, column 'c' is 'x'", "not a number")),
    ("b", [1.0, None, 2.0], ("column 'b': 1 of 3 rows, the first in row 2 (empty)", "Row 1 is")),
    ("b", [1.0, 2.0, float("nan")], ("the first in row 3 ('nan')",)),
    ("c", [1.0, float("inf"), 1.0], ("row 2, column 'c' is inf",)),
    ("b", [[1], [2], [3]], ("List", "a column of numbers or texts")),
])  # fmt: skip
def test_a_bad_parquet(
    column: str, values: list[object], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "my.parquet"
    pl.DataFrame(FRAME | {column: values}).write_parquet(path)
    message = refusal(path)
    for word in (*words, "my.parquet"):
        assert word in message


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    def refused(name: str, content: bytes | None, *words: str) -> None:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        message = refusal(path)
        for word in (name, *words):
            assert word in message

    refused("none.csv", None, "No such file")
    (tmp_path / "folder.csv").mkdir()
    refused("folder.csv", None, "is a directory")
    refused("table.xlsx", b"PK", "does not end in one of .csv")
    refused("image.csv", b"\x89PNG\r\n\x1a\n\0\0", "not a table")
    refused("fake.parquet", b"a,b,c\n1,2,3\n", "like a Parquet file, but is none")
    refused("latin.csv", "a,b,c\n1,ü,2\n2,3,4\n".encode("latin-1"), "UTF-8")
    pl.DataFrame(FRAME).write_parquet(tmp_path / "p.parquet")
    refused("renamed.csv", (tmp_path / "p.parquet").read_bytes(), "Parquet file by its content")


def test_a_path_that_is_not_given() -> None:
    with pytest.raises(InputError) as caught:
        compose_settings("data=table")
    assert re.search(r"data\.\w+ has no value", str(caught.value))


@pytest.mark.parametrize(("text", "words"), [
    (GOOD + "1,abc,2\n", "my.csv, line 7, column 'b' is 'abc'"),
    (None, "my.csv: No such file"),
])  # fmt: skip
def test_the_command_refuses(
    text: str | None, words: str, command: Callable[..., Answer], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "my.csv").write_text(text)
    answer = command("src.train", *own("my.csv"))
    assert answer.code == 2
    assert answer.err.startswith(f"Error: {words}")
    assert "Traceback" not in answer.err
    assert {path.name for path in tmp_path.rglob("*")} <= {"my.csv", "outputs"}


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


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """450 rows, 8 columns of very different sizes, a linear target with noise."""
    path = tmp_path_factory.mktemp("tables") / "numbers.csv"
    r = np.random.default_rng(7)
    x = r.normal(size=(450, 8))
    y = 100 + 10 * x @ np.array([1, -2, 0.5, 0, 3, 0, 1, 0.2]) + 8 * r.normal(size=450)
    scaled = {name: x[:, i] * 10.0**i + i for i, name in enumerate("abcdefgh")}
    pl.DataFrame(scaled | {"y": y}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 rows of three classes, as text (species), as numbers (kind) and as 0 and 1 (two)."""
    path = tmp_path_factory.mktemp("tables") / "flowers.csv"
    r = np.random.default_rng(1)
    kind = r.integers(0, 3, size=300)
    x = np.array([[0, 0], [3, 1], [1, 4]])[kind] + r.normal(size=(300, 2))
    names = np.array(["setosa", "virginica", "versicolor"])
    columns = {"sepal": x[:, 0], "petal": x[:, 1], "third": r.normal(size=300)}
    labels = {"species": names[kind], "kind": kind, "two": (kind == 1).astype(int)}
    pl.DataFrame(columns | labels).write_csv(path)
    return path


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
    assert {"fit.png", "loss.png"} <= {p.name for p in done.directory.iterdir()}
    assert not (done.directory / "confusion.png").exists()
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


@pytest.mark.parametrize(("inputs", "target", "more"), [
    ("sepal", "species", (CLASSES,)),
    ("sepal,petal", "species", (CLASSES,)),
    ("sepal,petal,third", "kind", (CLASSES,)),
    ("sepal", "two", BINARY),
    ("sepal,petal", "two", BINARY),
    ("sepal,petal,third", "two", (*BINARY, "data.val_fraction=0")),
])  # fmt: skip
def test_classes(
    inputs: str, target: str, more: tuple[str, ...], flowers: Path, finish: Finish
) -> None:
    fast = ("model.width=null", "early_stop=null", "optimizer.lr=0.3", "trainer.max_epochs=40")
    done = finish(*own(flowers, inputs, target), *more, *fast)
    found = done.json()
    labels = pl.read_csv(flowers)[target].cast(pl.String).unique().sort().to_list()
    assert found["config"]["data"]["classes"] == labels
    assert found["config"]["data"]["normalize_target"] == "none"
    assert found["metrics"]["train/accuracy"] > 0.65
    assert not any("r2" in name for name in found["metrics"])
    assert {"fit.png", "confusion.png"} <= {p.name for p in done.directory.iterdir()}
    assert f"predicted {target}" in done.text
    assert any(f" {label} " in done.text for label in labels)


def test_the_confusion_matrix_counts(flowers: Path, finish: Finish) -> None:
    """Right answers on the diagonal: their share is the accuracy."""
    fast = ("optimizer=adam", "optimizer.lr=0.1", "trainer.max_epochs=150", "logger=tensorboard")
    done = finish(*own(flowers, "sepal,petal", "species"), CLASSES, *fast)
    net, val = done.run.net, done.run.data.splits["val"]
    assert val.target is not None
    with torch.no_grad():
        answers = probabilities(net(val.input)).argmax(1)
    right = (answers == val.target.argmax(1)).double().mean().item()
    assert done.json()["metrics"]["val/accuracy"] == pytest.approx(right)
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (val.target.argmax(1).numpy(), answers.numpy()), 1)
    figure = confusion_figure(counts, ["a", "b", "c"], "x")
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert [int(cell.split("\n")[0]) for cell in cells] == counts.ravel().tolist()
    events = next(done.directory.glob("events.*")).read_bytes()
    assert b"figures/confusion" in events


@pytest.mark.parametrize("size", [2, 20, 40])
def test_a_confusion_matrix_of_many_classes(size: int) -> None:
    counts = np.random.default_rng(0).integers(0, 3, (size, size))
    counts[0] = 0  # a class without a row
    names = [f"class {i} of a long name" for i in range(size)]
    assert to_png(confusion_figure(counts, names, "x"))[0].startswith(b"\x89PNG")


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


def test_a_sweep_equals_its_single_runs(numbers: Path, sweep: Callable[..., Swept]) -> None:
    """Seeds, widths, optimizers and columns, through the engine."""
    base = (f"data.path={numbers}", "data=table", "data.target=y", "precision=64",
            "trainer.max_epochs=40", "logger=none", "sweep.directories=0")  # fmt: skip
    done = sweep(*base, "data.inputs=[a],[c,a]", "seed=0,1", "model.width=null,3",
                 "optimizer=adam")  # fmt: skip
    assert done.code == 0
    table = done.table
    assert set(table["engine"]) == {"fused"}
    assert len(table) == 8
    configs = done.store.configs()
    for row in table.filter(pl.col("job") % 3 == 0).iter_rows(named=True):
        stored = configs[row["run_id"]][0]
        alone = compose_settings(
            *base[:-1], f"data.inputs={row['data.inputs']}", f"seed={row['seed']}",
            f"model.width={row['model.width']}", "optimizer=adam",
        )[0]  # fmt: skip
        assert run_id(alone) == row["run_id"]
        assert stored["data"] == alone["data"]
        for name, value in _metrics_alone(alone).items():
            assert row[name] == pytest.approx(value, rel=1e-9), name
    assert {"train/r2", "train/rmse", "val/r2", "val/rmse"} <= set(table.columns)


def _metrics_alone(config: dict[str, Any]) -> dict[str, float]:
    run, silent = build(config), quiet()
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), silent)
    return conclude(run, ending, 0.0, silent)[0].metrics


def test_a_sweep_on_a_bad_table(tmp_path: Path, sweep: Callable[..., Swept]) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD + "1,abc,2\n")
    with pytest.raises(InputError, match="line 7, column 'b' is 'abc'"):
        sweep(*own(path), "seed=0,1")
    done = sweep(*own(path, "a"), "data.inputs=[a],[b]", "trainer.max_epochs=2", "logger=none")
    assert done.code == 1
    assert done.table["status"].to_list() == ["completed", "failed"]


def test_a_sweep_over_classes(flowers: Path, sweep: Callable[..., Swept]) -> None:
    done = sweep(*own(flowers, "sepal,petal", "species"), CLASSES, "seed=0,1", "logger=none",
                 "trainer.max_epochs=20")  # fmt: skip
    assert done.code == 0
    assert set(done.table["status"]) == {"completed"}
    assert done.table["val/accuracy"].is_not_null().all()
    rows = predicted(predict.read_run(done.store.directory / "1"), "[[0.0, 0.0]]")
    assert len(rows[0]["prediction"]) == 3


def test_a_sweep_holds_to_one_content(tmp_path: Path, sweep: Callable[..., Swept]) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD)
    more = ("seed=0,1", "trainer.max_epochs=2", "logger=none", "sweep.directories=0")
    done = sweep(*own(path), *more)
    job = done.store.directory / "1"
    path.unlink()
    assert len(predicted(predict.read_run(job), "[[1, 2]]")) == 1  # without its table
    with pytest.raises(InputError, match="is not there"):
        predicted(predict.read_run(job), None)
    path.write_text(GOOD + "1,1,1\n")
    _fixed_table.cache_clear()  # as another process would find it
    with pytest.raises(InputError, match="has changed since"):
        predicted(predict.read_run(job), None)
    with pytest.raises(InputError, match="another version of"):
        sweep(*own(path), *more)


def as_composed(config: dict[str, Any], directory: Path) -> None:
    """Write .hydra/config.yaml as Hydra does: without what the table decided."""
    data = config["data"] | dict.fromkeys(DECIDED)
    (directory / ".hydra").mkdir()
    (directory / ".hydra" / "config.yaml").write_text(json.dumps(config | {"data": data}))


@pytest.fixture(scope="module")
def trained(
    numbers: Path, flowers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Directories of runs whose table is gone."""
    folder, gone = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("gone") / "gone.csv"
    # A copy, which is gone before anything is predicted.
    for name, source, overrides in (
        ("numbers", numbers, own(gone, "a,b,c", "y")),
        ("species", flowers, (*own(gone, "sepal,petal", "species"), CLASSES)),
        ("kind", flowers, (*own(gone, "sepal,petal", "kind"), CLASSES)),
        ("two", flowers, (*own(gone, "sepal,petal", "two"), *BINARY)),
    ):
        gone.write_text(source.read_text())
        fast = ("trainer.max_epochs=100", "optimizer=adam", "optimizer.lr=0.05", "logger=none")
        if name == "species":  # the command itself, once: Hydra's config knows no classes
            subprocess.run(
                [sys.executable, "-m", "src.train", *overrides, *fast,
                 f"hydra.run.dir={folder / name}"], cwd=ROOT, check=True, capture_output=True,
            )  # fmt: skip
            continue
        (folder / name).mkdir()
        run = build(compose_settings(*overrides, *fast)[0])
        fit(run, folder / name, quiet())
        as_composed(run.config, folder / name)
    gone.unlink()
    return lambda name: folder / name


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("name", "target"), [
    ("numbers", "y"), ("species", "species"), ("kind", "kind"), ("two", "two"),
])  # fmt: skip
def test_predict_keeps_the_table_and_adds_to_it(
    name: str, target: str, suffix: str, trained: Callable[[str], Path], numbers: Path,
    flowers: Path, tmp_path: Path,
) -> None:  # fmt: skip
    source = pl.read_csv(numbers if name == "numbers" else flowers)
    code = [f"{i:03}" for i in range(len(source))]
    asked = source.with_columns(code=pl.Series(code)).select(pl.all().reverse())
    path, out = tmp_path / f"asked.{suffix}", tmp_path / f"out.{suffix}"
    (asked.write_csv if suffix == "csv" else asked.write_parquet)(path)
    predict.main([str(trained(name)), "--inputs", str(path), "--out", str(out)])
    types = {"code": pl.String}
    found = pl.read_csv(out, schema_overrides=types) if suffix == "csv" else pl.read_parquet(out)
    assert found.select(asked.columns).equals(asked)
    alone = predicted(predict.read_run(trained(name)), str(path))
    new = found.select(pl.exclude(asked.columns))
    if name == "numbers":
        assert new.columns == ["predicted_y"]
        assert new["predicted_y"].to_list() == [row["prediction"][0] for row in alone]
        error = (new["predicted_y"] - asked["y"]).to_numpy()
        assert np.sqrt((error**2).mean()) < asked["y"].to_numpy().std()
        return
    labels = source[target].cast(pl.String).unique().sort().to_list()
    assert new.columns == [f"predicted_{target}", *(f"probability_{label}" for label in labels)]
    sure = new.select(pl.col("^probability_.*$")).to_numpy()
    np.testing.assert_allclose(sure.sum(axis=1), 1, atol=1e-6)
    assert new[f"predicted_{target}"].cast(pl.String).to_list() == [
        labels[i] for i in sure.argmax(axis=1)
    ]
    assert np.mean(new[f"predicted_{target}"].to_numpy() == asked[target].to_numpy()) > 0.8


def test_predict_on_the_console(
    trained: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "asked.csv"
    path.write_text("petal,sepal\n0,0\n1,3\n")
    predict.main([str(trained("species")), "--inputs", str(path)])
    shown = capsys.readouterr().out
    for words in ("sepal, petal", "predicted species", "probability", "setosa", "virginica"):
        assert words in shown
    predict.main([str(trained("numbers")), "--inputs", "[[0, 1, 2]]"])
    assert "predicted y" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "words"), [
    ("petal,sepa\n1,2\n", ("no column 'sepal'", "Did you mean sepa?")),
    ("petal,sepal\n1,2\n3,x\n", ("line 3, column 'sepal' is 'x'",)),
    ("petal,sepal\n1,2\n3,\n", ("column 'sepal': 1 of 2 rows, the first in line 3 (empty)",)),
    ("petal,sepal\n", ("no row below its header",)),
    ("petal,sepal,predicted_species\n1,2,x\n", ("'predicted_species' already",)),
])  # fmt: skip
def test_predict_refuses(
    text: str, words: tuple[str, ...], trained: Callable[[str], Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        predict.main([str(trained("species")), "--inputs", str(path), "--out", str(out)])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("Error: ")
    assert all(word in message for word in words)
    assert not out.exists()


def test_predict_without_rows_takes_the_validation_rows(
    numbers: Path, tmp_path: Path, finish: Finish
) -> None:
    done = finish(*own(numbers, "a,b", "y"), "trainer.max_epochs=5")
    as_composed(done.run.config, done.directory)
    rows = predicted(predict.read_run(done.directory), None)
    stored = done.json()["predictions"]
    assert [row["target"] for row in rows] == [row["target"] for row in stored]
    out = tmp_path / "held_out.parquet"
    predict.main([str(done.directory), "--out", str(out)])
    found = pl.read_parquet(out)
    assert found.columns == [*"abcdefgh", "y", "predicted_y"]
    assert len(found) == 90
    targets = [row["target"][0] for row in rows]
    np.testing.assert_allclose(found["y"].to_numpy(), targets, rtol=1e-6)
