"""Predictions for a table keep the table and add to it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from small_nets.commands import predict
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.fit import fit
from small_nets.sweep.training.rows import quiet
from tests.conftest import ROOT, predicted
from tests.data.tables import BINARY, CLASSES, DECIDED, Finish, own


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


@pytest.mark.every(3)
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
