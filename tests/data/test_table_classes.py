"""A table of classes: labels, the confusion matrix, several of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from small_nets.nn.metrics import probabilities
from small_nets.run.figures.classes import confusion_figure
from small_nets.run.figures.figure import to_png
from tests.data.tables import BINARY, CLASSES, Finish, own


@pytest.mark.every(2)
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
    done = finish(*own(flowers, inputs, target), *more, *fast, "pictures=few")
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
