"""From a run to its pictures: gathers the arrays that `small_nets.run.figures` draws."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from small_nets.config.components import source_settings
from small_nets.data.prepared import Split
from small_nets.run.evaluate import predict
from small_nets.run.figures.figure import to_png
from small_nets.run.figures.fit import (
    Array,
    Curve,
    Points,
    View,
    curve_figure,
    output_figure,
    scatter_figure,
)
from small_nets.run.pictures.classes import draw_classes, tells_classes
from small_nets.run.pictures.maps import draw_map, is_map, map_values
from small_nets.run.pictures.shown_rows import map_axes, shown_splits, to_array
from small_nets.run.spec import Run
from small_nets.system.atomic_file import write_whole

CURVE_POINTS = 500
TESTS = 50


def split_points(run: Run, split: Split) -> Points:
    """The rows of a split, with their predictions, in raw units."""
    table = run.data.table
    assert table.target is not None, "an example without targets has no points to draw"
    input = table.input[split.rows]
    return Points(
        to_array(input),
        to_array(table.target[split.rows]),
        to_array(predict(run.net, run.data, input)),
    )


def _fitted(run: Run, x: Tensor) -> Curve:
    """The fit at raw inputs (points, 1), raw units."""
    return Curve(to_array(x)[:, 0], to_array(predict(run.net, run.data, x))[:, 0])


def shown_inputs(run: Run) -> Tensor:
    """The grid that a curve over one input is drawn on, (points, 1), raw units."""
    known = run.data.table.input.flatten().tolist() + [row[0] for row in run.probe or []]
    margin = 0.05 * (max(known) - min(known)) or 1.0
    low, high = run.labels.range or (min(known) - margin, max(known) + margin)
    if run.labels.range is None and len(known) > 50:
        low, high = min(known), max(known)
    return torch.linspace(low, high, CURVE_POINTS, dtype=torch.float64)[:, None]


def fitted_curve(run: Run) -> Curve:
    """The fit over `shown_inputs`, raw units."""
    return _fitted(run, shown_inputs(run))


def _view(run: Run, title: str) -> View:
    """The fit and the rows in raw units.

    Not also as the network sees them: every normalisation moves and scales a column, so that the
    picture would be the same one with other numbers on its axes.
    """
    probes = None
    if run.probe:
        probes = _fitted(run, torch.tensor(run.probe, dtype=torch.float64))
    shown, note = shown_splits(run.data)
    splits = {name: split_points(run, split) for name, split in shown.items()}
    names = run.labels.input, run.labels.target
    return View(splits, {"fit": fitted_curve(run)}, *names, title + note, probes)


def is_one_curve(run: Run) -> bool:
    """Whether its fit can be drawn as a curve over one input."""
    table = run.data.table
    return table.target is not None and table.input.shape[1] == table.target.shape[1] == 1


def _rows_of_all(runs: Iterable[Run]) -> dict[str, Points]:
    """The rows of several runs, once for each source: a sweep of formulas has several."""
    sources = {repr(source_settings(run.config["data"])): run for run in runs}
    found: dict[str, list[Points]] = {}
    for run in sources.values():
        for name, split in shown_splits(run.data)[0].items():
            found.setdefault(name, []).append(split_points(run, split))
    names = [f.name for f in fields(Points)]
    return {
        split: Points(*(np.concatenate([getattr(p, name) for p in several]) for name in names))
        for split, several in found.items()
    }


def draw_fits(runs: Mapping[str, Run], title: str) -> Figure:
    """The fits of several trained runs of one example over its data, raw units, by label.

    Each is marked at the same random test points inside the range of the inputs.
    """
    first = next(iter(runs.values()))
    view = replace(_view(first, title), splits=_rows_of_all(runs.values()))
    inputs = first.data.table.input
    generator = torch.Generator().manual_seed(0)
    low, high = inputs.min(), inputs.max()
    drawn = torch.rand(TESTS, generator=generator).double()
    tests = (low + (high - low) * drawn).sort().values[:, None]
    curves = {label: fitted_curve(run) for label, run in runs.items()}
    marks = {label: _fitted(run, tests) for label, run in runs.items()}
    return curve_figure(replace(view, curves=curves, tests=marks, probes=None))


def moving(run: Run) -> dict[str, Array] | None:
    """What changes in `draw_fit`'s picture as the net learns: gid -> values.

    "fit": (points,), "prediction/SPLIT": (rows,), or "map": (rows, columns) of the grid. None
    for the kinds of picture that nothing moves in.
    """
    if is_map(run):
        return {"map": map_values(run, map_axes(run.data)[2])}
    if is_one_curve(run) and not tells_classes(run):
        view = _view(run, "")
        rows = {f"prediction/{name}": p.prediction[:, 0] for name, p in view.splits.items()}
        return {"fit": view.curves["fit"].y, **rows}
    return None


def draw_fit(run: Run, title: str) -> Figure:
    """The picture that suits the example: a curve, a map, a scatter, or its outputs."""
    table = run.data.table
    if table.target is None:
        outputs = predict(run.net, run.data, table.input)
        unit = f" ({run.labels.unit})" if run.labels.unit else ""
        return output_figure(to_array(outputs), title, f"predicted {run.labels.target}{unit}")
    if is_map(run):
        return draw_map(run, title)
    if tells_classes(run):
        return draw_classes(run, title)
    if is_one_curve(run):
        return curve_figure(_view(run, title))
    shown, note = shown_splits(run.data)
    splits = {name: split_points(run, split) for name, split in shown.items()}
    return scatter_figure(splits, title + note, run.labels.targets or [run.labels.target])


def save_png(figure: Figure, path: Path) -> tuple[bytes, int, int]:
    """Write the picture; returns its bytes, width and height in pixels."""
    png, width, height = to_png(figure)
    write_whole(path, png, sync=False)  # it can be drawn again
    return png, width, height
