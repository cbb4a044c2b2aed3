"""From a run that tells the classes of a table apart to its pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from small_nets.data.prepared import Split
from small_nets.data.split import class_places
from small_nets.nn.metrics import probabilities
from small_nets.run.evaluate import predict
from small_nets.run.figures.classes import (
    Labelled,
    confusion_figure,
    probability_curves,
    sureness_figure,
)
from small_nets.run.pictures.shown_rows import shown_splits, to_array
from small_nets.run.spec import Run

CURVE_POINTS = 500


def tells_classes(run: Run) -> bool:
    """Whether it is a classification of the user's own table."""
    return run.labels.is_table and run.data.table.task != "regression"


def _probability(run: Run, split: Split) -> Tensor:
    with torch.no_grad():
        return probabilities(run.net(split.input))


def class_names(run: Run) -> list[str]:
    """A name for each class of a classification."""
    assert run.data.table.target is not None, "a classification has a target"
    count, given = max(run.data.table.target.shape[1], 2), run.labels.classes or []
    return given if len(given) == count else [f"class {i}" for i in range(count)]


def _labelled(run: Run, split: Split) -> Labelled:
    assert split.target is not None, "a classification has a target"
    return Labelled(
        to_array(run.data.table.input[split.rows]),
        class_places(split.target).numpy(),
        to_array(_probability(run, split)),
    )


def _shown(run: Run) -> tuple[dict[str, Labelled], str]:
    shown, note = shown_splits(run.data)
    return {name: _labelled(run, split) for name, split in shown.items()}, note


def draw_classes(run: Run, title: str) -> Figure:
    """Curves over one input, and over several how sure it is of the truth."""
    data, classes = run.data, class_names(run)
    inputs = data.table.input.shape[1]
    splits, note = _shown(run)
    names, title = run.labels.of_inputs(inputs), title + note
    if inputs == 1:
        low, high = run.labels.range or (data.table.input.min(), data.table.input.max())
        two = names[0], run.labels.target
        x = torch.linspace(float(low), float(high), CURVE_POINTS, dtype=torch.float64)
        curves = to_array(probabilities(predict(run.net, data, x[:, None])))
        return probability_curves(to_array(x), curves, splits, classes, two, title)
    return sureness_figure(splits, classes, run.labels.target, title)


@dataclass(frozen=True)
class Confusion:
    """counts: (classes, classes), rows are the truth, columns the answer; of which split's rows."""

    counts: NDArray[np.int64]
    classes: list[str]
    which: str


def confusion(run: Run) -> Confusion:
    """Over the whole validation split, or the training split where nothing is held out."""
    which, split = ("validation", run.data.val) if run.data.val else ("training", run.data.train)
    assert split.target is not None, "a classification has a target"
    classes = class_names(run)
    size = len(classes)
    pairs = class_places(split.target) * size + _probability(run, split).argmax(dim=1)
    counts = torch.bincount(pairs, minlength=size * size).view(size, size).numpy()
    return Confusion(counts, classes, which)


def draw_confusion(run: Run, title: str) -> Figure:
    """The counts of `confusion` as a picture."""
    found = confusion(run)
    title = f"{title}\n{found.counts.sum():,} {found.which} rows"
    return confusion_figure(found.counts, found.classes, title)
