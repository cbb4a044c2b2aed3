"""predict scores itself where the truth is known, and says where it was never trained."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from small_nets.commands import predict
from small_nets.run.outputs.training_range import Seen, far_outside
from tests.conftest import Swept

ROWS = 150


def line(r: np.random.Generator, rows: int) -> pl.DataFrame:
    x = r.normal(size=(rows, 2))
    columns = {"a": x[:, 0], "b": 10 * x[:, 1] + 100, "c": 3 * x[:, 0] - x[:, 1] + 50,
               "d": 1e6 * x[:, 1] ** 2}  # fmt: skip
    kind = np.where(x[:, 0] > 0.6, "high", np.where(x[:, 0] < -0.6, "low", "middle"))
    return pl.DataFrame(columns | {"kind": kind, "two": (x[:, 1] > 0.3).astype(int)})


RUNS: dict[str, tuple[str, ...]] = {
    "numbers": ("data.target=c",),
    "two": ("data.target=[c,d]",),
    "classes": ("data.target=kind", "loss=cross_entropy"),
    "weighted": ("data.target=kind", "loss=cross_entropy", "loss.class_weight=[1,2,3]"),
    "binary": ("data.target=two", "loss=bce", "model.output_activation=sigmoid"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind, whose training table is gone, and new rows of which all is known."""
    from small_nets.notebook import run

    folder, r = tmp_path_factory.mktemp("score"), np.random.default_rng(5)
    line(r, ROWS).write_csv(folder / "old.csv")
    line(r, 40).write_csv(folder / "new.csv")
    for name, words in RUNS.items():
        run("data=table", f"data.path={folder / 'old.csv'}", "data.inputs=[a,b]", *words,
            "trainer.max_epochs=100", "logger=none",
            f"hydra.run.dir={folder / name}")  # fmt: skip
    (folder / "old.csv").rename(folder / "gone.csv")
    return folder


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    def say(run: Path, *arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        predict.main([str(run), *arguments])
        found = capsys.readouterr()
        return found.out, found.err

    return say


def scores(text: str) -> dict[str, tuple[float, float]]:
    """Metric -> value, and the constant predictor's, as they are printed."""
    found = re.findall(r"^(\S+) +(\S+) +(\S+) *$", text[text.index("Score over") :], re.MULTILINE)
    return {name: (float(a), float(b)) for name, a, b in found if name != "metric"}


def training_rows(folder: Path, run: str) -> list[int]:
    from small_nets.run.build.build import build_data

    config = predict.read_run(folder / run).config
    config["data"] = config["data"] | {"path": str(folder / "gone.csv")}
    return build_data(config).train.rows.tolist()


@pytest.mark.every(2)
@pytest.mark.parametrize("run", ["numbers", "two"])
@pytest.mark.parametrize("out", [True, False])
def test_numbers(
    run: str, out: bool, folder: Path, tmp_path: Path, say: Callable[..., tuple[str, str]]
) -> None:
    """By numpy, from the file that predict writes and the training rows."""
    new, there = folder / "new.csv", tmp_path / "out.csv"
    text, _ = say(folder / run, "--inputs", str(new), *(["--out", str(there)] if out else []))
    found = scores(text)
    if not out:
        say(folder / run, "--inputs", str(new), "--out", str(there))
    assert f"Score over the {40} rows whose target is known" in text
    frame, old = pl.read_csv(there), pl.read_csv(folder / "gone.csv")
    train = old[training_rows(folder, run)]
    names = ["c"] if run == "numbers" else ["c", "d"]
    loss, base, r2 = [], [], []
    for name in names:
        y, mine = frame[name].to_numpy(), frame[f"predicted_{name}"].to_numpy()
        mean, scale = train[name].mean(), train[name].std(ddof=0)
        assert isinstance(mean, float)
        assert isinstance(scale, float)
        suffix = "" if run == "numbers" else f"/{name}"
        error, constant = ((y - mine) ** 2).mean(), ((y - mean) ** 2).mean()
        assert found[f"rmse{suffix}"] == pytest.approx((error**0.5, constant**0.5), rel=1e-4)
        r2.append(1 - error / y.var())
        assert found[f"r2{suffix}"][0] == pytest.approx(r2[-1], rel=1e-4)
        loss.append(error / scale**2)
        base.append(constant / scale**2)
    assert found["loss"] == pytest.approx((np.mean(loss), np.mean(base)), rel=1e-4)
    assert found["r2"][0] == pytest.approx(np.mean(r2), rel=1e-4)


@pytest.mark.parametrize("run", ["classes", "weighted", "binary"])
def test_classes(
    run: str, folder: Path, tmp_path: Path, say: Callable[..., tuple[str, str]]
) -> None:
    target = "two" if run == "binary" else "kind"
    text, _ = say(
        folder / run, "--inputs", str(folder / "new.csv"), "--out", str(tmp_path / "o.csv")
    )
    found, frame = scores(text), pl.read_csv(tmp_path / "o.csv")
    right = (frame[target] == frame[f"predicted_{target}"]).mean()
    train = pl.read_csv(folder / "gone.csv")[training_rows(folder, run)][target]
    common = train.mode().sort()[0]
    assert found["accuracy"] == pytest.approx((right, (frame[target] == common).mean()), rel=1e-5)
    labels = sorted(train.unique().to_list())
    weights = {"weighted": [1.0, 2.0, 3.0]}.get(run, [1.0] * len(labels))
    sure = np.stack([frame[f"probability_{label}"].to_numpy() for label in labels], axis=1)
    shares = np.array([(train == label).mean() for label in labels]) * weights
    place = np.array([labels.index(y) for y in frame[target]])
    w = np.array(weights)[place]
    rows = np.arange(len(place))
    loss = -(w * np.log(sure[rows, place])).sum() / w.sum()
    base = -(w * np.log((shares / shares.sum())[place])).sum() / w.sum()
    assert found["loss"] == pytest.approx((loss, base), rel=1e-4)


@pytest.mark.parametrize(("run", "target", "cells", "count", "words"), [
    ("numbers", "c", ["", "NA", "?"], 37, ("3 rows of which 'c' is missing",)),
    ("two", "d", ["-"], 39, ("1 row of which 'c' or 'd' is missing",)),
    ("classes", "kind", ["null", "odd", "odd"], 37,
     ("1 row of which 'kind' is missing", "2 rows", "has not learned ('odd')")),
    ("binary", "two", ["1.0", "0.0", "7"], 39, ("1 row", "has not learned ('7')")),
])  # fmt: skip
def test_rows_that_cannot_be_scored(
    run: str, target: str, cells: list[str], count: int, words: tuple[str, ...], folder: Path,
    tmp_path: Path, say: Callable[..., tuple[str, str]],
) -> None:  # fmt: skip
    frame = pl.read_csv(folder / "new.csv", infer_schema=False)
    column = [*cells, *frame[target].to_list()[len(cells) :]]
    frame.with_columns(pl.Series(target, column)).write_csv(tmp_path / "new.csv")
    text, _ = say(folder / run, "--inputs", str(tmp_path / "new.csv"))
    assert f"Score over the {count} rows" in text
    assert all(word in text for word in words)
    assert "not finite" not in text


def test_a_target_that_cannot_be_read_is_no_reason_to_refuse(
    folder: Path, tmp_path: Path, say: Callable[..., tuple[str, str]]
) -> None:
    frame = pl.read_csv(folder / "new.csv", infer_schema=False)
    cells = ["abc", *frame["c"].to_list()[1:]]
    frame.with_columns(pl.Series("c", cells)).write_csv(tmp_path / "new.csv")
    text, _ = say(folder / "numbers", "--inputs", str(tmp_path / "new.csv"))
    assert "not scored: " in text
    assert "line 2, column 'c' is 'abc'" in text
    assert "Score" not in text


def test_without_a_target_there_is_no_score(
    folder: Path, tmp_path: Path, say: Callable[..., tuple[str, str]]
) -> None:
    frame = pl.read_csv(folder / "new.csv")
    for name, columns in {"numbers": ["a", "b"], "two": ["a", "b", "c"]}.items():
        frame.select(columns).write_csv(tmp_path / f"{name}.csv")
        text, _ = say(folder / name, "--inputs", str(tmp_path / f"{name}.csv"))
        assert "core" not in text
    text, _ = say(folder / "numbers", "--inputs", "[[1, 100]]")
    assert "core" not in text


def test_a_long_list_is_shown_in_part(
    folder: Path, tmp_path: Path, say: Callable[..., tuple[str, str]]
) -> None:
    line(np.random.default_rng(9), 500).write_csv(tmp_path / "new.csv")
    text, _ = say(folder / "numbers", "--inputs", str(tmp_path / "new.csv"))
    assert "Predictions, 20 of 500, evenly spaced" in text
    assert len(text.splitlines()) < 40


def test_a_job_of_a_sweep(
    folder: Path, sweep: Callable[..., Swept], say: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """With a directory and without one, and without the table: the same score."""
    table = tmp_path / "old.csv"
    shutil.copy(folder / "gone.csv", table)
    done = sweep("data=table", f"data.path={table}", "data.inputs=[a,b]", "data.target=c",
                 "seed=0,1", "trainer.max_epochs=100", "logger=none")  # fmt: skip
    table.unlink()
    job, new = done.store.directory / "1", str(folder / "new.csv")
    with_directory, _ = say(job, "--inputs", new)
    shutil.rmtree(job)
    without, said = say(job, "--inputs", new)
    assert scores(with_directory) == scores(without)
    assert said == ""
    row = done.table.filter(job=1).row(0, named=True)
    assert {"train/r2", "val/r2", "val/rmse"} <= set(row)


def test_far_outside(folder: Path, say: Callable[..., tuple[str, str]]) -> None:
    low, high = pl.read_csv(folder / "gone.csv")[training_rows(folder, "numbers")].select(
        pl.min_horizontal(pl.col("b").min()), pl.max_horizontal(pl.col("b").max()).alias("high")
    ).row(0)  # fmt: skip
    inside = f"[0, {high + 0.05 * (high - low)}]"
    _, said = say(folder / "numbers", "--inputs", f"[[0, {low}], {inside}, [0, {high}]]")
    assert said == ""
    _, said = say(folder / "numbers", "--inputs", f"[[0, -1e9], {inside}, [99, {high + 99}]]")
    assert (
        f"the input 'b' lies far outside its range of training, {low:.6g} to {high:.6g}, in 2"
        in said
    )
    assert "'a'" in said
    assert "in 1 of 3 rows" in said


def test_flags_have_no_range() -> None:
    """A column of 0 and 1; one of which training saw only one value; a constant one that moves."""
    seen = Seen(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([1.0, 0.0, 5.0]), None)
    rows = torch.tensor([[1.0, 1.0, 5.0], [0.0, 0.0, 5.0]])
    assert far_outside(seen, rows, ["x", "y", "z"]) == [
        "the input 'y' was 0 in every row of training, and is not in 1 of 2 rows: nothing was "
        "learned there"
    ]
    moved = far_outside(seen, rows + torch.tensor([2.0, 2.0, 1.0]), ["x", "y", "z"])
    assert ["2 of 2 rows" in note for note in moved] == [True, True, True]


def test_an_example_says_it_too(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[..., tuple[str, str]]
) -> None:
    from small_nets.notebook import run

    directory = tmp_path_factory.mktemp("example") / "run"
    run("+experiment=temperature_linear", "trainer.max_epochs=50", "logger=none",
        f"hydra.run.dir={directory}")  # fmt: skip
    _, said = say(directory, "--inputs", "[[50.0], [5000.0]]")
    assert "the input 'Fahrenheit' lies far outside its range of training, 21.8 to 81.9" in said
    text, said = say(directory)  # its validation rows, which are scored
    assert said == ""
    assert "loss" in scores(text)
