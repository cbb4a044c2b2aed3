"""Tables that several files of tests train on."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest


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
