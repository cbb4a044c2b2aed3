"""A table's defaults beside scikit-learn's models, on its five small data sets.

With the extra: pip install -c constraints.txt '.[test,sklearn]'. The table is printed by
`python -m pytest tests/run/test_sklearn.py -s`.
"""

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from small_nets.commands.predict import read_run
from small_nets.notebook import run
from small_nets.run.prediction.request import question
from small_nets.run.prediction.score import score

datasets, linear_model, neural_network, pipeline, preprocessing = (
    pytest.importorskip(f"sklearn.{name}", reason="needs the extra sklearn")
    for name in ("datasets", "linear_model", "neural_network", "pipeline", "preprocessing")
)
SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes")
SPLITS = 5  # of which each holds a fifth of the rows out, to be scored once, at the end
# Of accuracy, or R²: what the means over so few splits may differ by. Ours learns from 64 % of the
# rows, since it holds a fifth of the other 80 % out for early stopping; theirs learn from all 80 %.
MARGIN = 0.025


def load(name: str) -> tuple[pl.DataFrame, Any]:
    """The table, the target in the column `y`; classes by their names."""
    bunch = getattr(datasets, f"load_{name}")()
    y = bunch.target
    if name != "diabetes":
        y = np.array([str(label) for label in bunch.target_names])[y]
    columns = {str(name): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns | {"y": y}), bunch


def peers(is_regression: bool) -> dict[str, Any]:
    if is_regression:
        # With its default of 200 epochs it ends far below the constant predictor.
        return {
            "linear": linear_model.Ridge(),
            "mlp": neural_network.MLPRegressor(max_iter=2000, random_state=0),
        }
    return {
        "linear": linear_model.LogisticRegression(max_iter=1000),
        "mlp": neural_network.MLPClassifier(random_state=0),
    }


def ours(train: pl.DataFrame, test: pl.DataFrame, folder: Path, words: tuple[str, ...]) -> float:
    """Accuracy or R² on the rows held out, as `predict` scores them."""
    folder.mkdir()
    train.write_csv(folder / "train.csv")
    test.write_csv(folder / "test.csv")
    run("data=table", f"data.path={folder / 'train.csv'}", "data.inputs=all", "data.target=y",
        *words, "logger=none", f"hydra.run.dir={folder / 'run'}")  # fmt: skip
    stored = read_run(folder / "run")
    asked = question(stored, str(folder / "test.csv"))
    assert asked.targets is not None
    output = stored.output(asked.rows)
    metrics = score(stored, output, asked.targets, ["y"]).metrics
    return metrics["accuracy" if words else "r2"]


def timed(work: Any) -> tuple[float, float]:
    """What it gives, and the seconds of CPU that it took: others may use the machine."""
    began = time.process_time()
    return work(), time.process_time() - began


def splits(rows: int) -> Iterator[tuple[list[int], list[int]]]:
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(rows).tolist()
        yield order[rows // 5 :], order[: rows // 5]


@pytest.mark.parametrize("name", SETS)
def test_as_good_as_scikit_learn(name: str, tmp_path: Path) -> None:
    frame, bunch = load(name)
    is_regression = name == "diabetes"
    words = () if is_regression else ("loss=cross_entropy",)
    found: dict[str, list[tuple[float, float]]] = {}
    for i, (train, test) in enumerate(splits(len(frame))):
        mine = timed(
            lambda a=frame[train], b=frame[test], i=i: ours(a, b, tmp_path / str(i), words)
        )
        found.setdefault("ours", []).append(mine)
        for peer, model in peers(is_regression).items():

            def fitted(model: Any = model, train: Any = train, test: Any = test) -> float:
                scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), model)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # 200 epochs are too few, it says
                    scaled.fit(bunch.data[train], bunch.target[train])
                return float(scaled.score(bunch.data[test], bunch.target[test]))

            found.setdefault(peer, []).append(timed(fitted))
    means = {who: np.mean(values, axis=0) for who, values in found.items()}
    cells = "   ".join(f"{who} {mean:.3f} ({s:.2f} s)" for who, (mean, s) in means.items())
    print(f"\n{name:<14} {'R²' if is_regression else 'accuracy':<9} {cells}")
    best = max(means["linear"][0], means["mlp"][0])
    assert means["ours"][0] > best - MARGIN
