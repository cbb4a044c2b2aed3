"""From a run to its pictures: gathers the arrays that `small_nets.run.figures` draws."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from small_nets.data.prepared import Split
from small_nets.run.evaluate import predict
from small_nets.run.figures.figure import to_png
from small_nets.run.figures.fit import (
    Array,
    Curve,
    Points,
    View,
    curve_figure,
    decision_figure,
    output_figure,
    scatter_figure,
)
from small_nets.run.pictures.classes import draw_classes, tells_classes
from small_nets.run.pictures.shown_rows import MAP_POINTS, map_axes, shown_splits, to_array
from small_nets.run.spec import Run
from small_nets.system.atomic_file import write_whole

CURVE_POINTS = 500
TESTS = 50


def split_points(run: Run, split: Split, normalised: bool) -> Points:
    """The rows of a split, with their predictions; raw units, or as the network sees them."""
    table = run.data.table
    assert table.target is not None, "an example without targets has no points to draw"
    assert split.target is not None, "a split has targets where its table has"
    if normalised:
        with torch.no_grad():
            prediction = run.net(split.input)
        return Points(to_array(split.input), to_array(split.target), to_array(prediction))
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


def fitted_curve(run: Run, normalised: bool) -> Curve:
    """The fit over `shown_inputs`; raw units, or as the network sees them."""
    grid = shown_inputs(run)
    if not normalised:
        return _fitted(run, grid)
    inner = run.data.to_network(grid)
    with torch.no_grad():
        return Curve(to_array(inner)[:, 0], to_array(run.net(inner))[:, 0])


def _view(run: Run, title: str, normalised: bool) -> View:
    names = (run.labels.input, run.labels.target)
    labels = tuple(f"{name} (normalised)" for name in names) if normalised else names
    probes = None
    if run.probe and not normalised:
        asked = torch.tensor(run.probe, dtype=torch.float64)
        probes = _fitted(run, asked)
    shown, note = shown_splits(run.data)
    splits = {name: split_points(run, split, normalised) for name, split in shown.items()}
    fits = {"fit": fitted_curve(run, normalised)}
    return View(splits, fits, labels[0], labels[1], title + note, probes)


def _views(run: Run, title: str) -> list[View]:
    views = [_view(run, title, normalised=False)]
    if run.data.target_normaliser is not None and not run.data.target_normaliser.is_identity:
        views.append(_view(run, "as the network sees it", normalised=True))
    return views


def is_one_curve(run: Run) -> bool:
    """Whether its fit can be drawn as a curve over one input."""
    table = run.data.table
    return table.target is not None and table.input.shape[1] == table.target.shape[1] == 1


def is_one_map(run: Run) -> bool:
    """Whether its fit can be drawn as a map over two inputs."""
    table = run.data.table
    return table.target is not None and (table.input.shape[1], table.target.shape[1]) == (2, 1)


def draw_fits(runs: Mapping[str, Run], title: str) -> Figure:
    """The fits of several trained runs of one example over its data, raw units, by label.

    Each is marked at the same random test points inside the range of the inputs.
    """
    first = next(iter(runs.values()))
    view = _view(first, title, normalised=False)
    inputs = first.data.table.input
    generator = torch.Generator().manual_seed(0)
    low, high = inputs.min(), inputs.max()
    drawn = torch.rand(TESTS, generator=generator).double()
    tests = (low + (high - low) * drawn).sort().values[:, None]
    curves = {label: fitted_curve(run, False) for label, run in runs.items()}
    marks = {label: _fitted(run, tests) for label, run in runs.items()}
    return curve_figure([replace(view, curves=curves, tests=marks, probes=None)])


def decision_map(run: Run) -> tuple[Array, Array, Array]:
    """The first output over two inputs, raw units: x (n,), y (m,), values (m, n)."""
    x, y, points = map_axes(run.data)
    values = predict(run.net, run.data, points)[:, 0].view(MAP_POINTS, MAP_POINTS)
    return to_array(x), to_array(y), to_array(values)


def moving(run: Run) -> list[dict[str, Array]] | None:
    """What changes in `draw_fit`'s picture as the net learns: for each panel, gid -> values.

    "fit": (points,), "prediction/SPLIT": (rows,), or "map": (rows, columns) of the grid. None
    for the kinds of picture that nothing moves in.
    """
    if is_one_map(run):
        return [{"map": decision_map(run)[2]}]
    if is_one_curve(run) and not tells_classes(run):
        return [
            {"fit": view.curves["fit"].y}
            | {f"prediction/{name}": p.prediction[:, 0] for name, p in view.splits.items()}
            for view in _views(run, "")
        ]
    return None


def draw_fit(run: Run, title: str) -> Figure:
    """The picture that suits the example: a curve, a map, a scatter, or its outputs."""
    table = run.data.table
    if table.target is None:
        outputs = predict(run.net, run.data, table.input)
        unit = f" ({run.labels.unit})" if run.labels.unit else ""
        return output_figure(to_array(outputs), title, f"predicted {run.labels.target}{unit}")
    # A map of one probability says more than its answers.
    if tells_classes(run) and not is_one_map(run):
        return draw_classes(run, title)
    if is_one_curve(run):
        return curve_figure(_views(run, title))
    shown, note = shown_splits(run.data)
    splits = {name: split_points(run, split, False) for name, split in shown.items()}
    if is_one_map(run):
        return _map_figure(run, splits, title + note)
    return scatter_figure(splits, title + note, run.labels.targets or [run.labels.target])


def _map_figure(run: Run, splits: dict[str, Points], title: str) -> Figure:
    labels, binary = run.labels, run.data.table.task == "binary"
    predicted, classes = f"predicted {labels.target}", ("target 0", "target 1")
    if tells_classes(run) and labels.classes is not None:
        classes = (labels.classes[0], labels.classes[1])
        predicted = f"probability of {labels.target} {classes[1]}"
    names = labels.of_inputs(2)
    return decision_figure(
        *decision_map(run), splits, title, (names[0], names[1]),
        predicted, classes if binary else None,
    )  # fmt: skip


def save_png(figure: Figure, path: Path) -> tuple[bytes, int, int]:
    """Write the picture; returns its bytes, width and height in pixels."""
    png, width, height = to_png(figure)
    write_whole(path, png, sync=False)  # it can be drawn again
    return png, width, height
