"""From a run to its pictures: gathers the arrays that `src.pictures` draws."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.data.module import Split
from src.data.sources import Table
from src.evaluate import predict
from src.pictures.figure import to_png
from src.pictures.fit import (
    Array,
    Curve,
    Points,
    View,
    curve_figure,
    decision_figure,
    output_figure,
    scatter_figure,
)
from src.run import Run

CURVE_POINTS = 500
MAP_POINTS = 101
TESTS = 50


def _array(values: Tensor) -> Array:
    return values.double().cpu().numpy()


def _points(run: Run, split: Split, normalised: bool) -> Points:
    table = run.data.table
    assert table.target is not None, "an example without targets has no points to draw"
    assert split.target is not None, "a split has targets where its table has"
    if normalised:
        with torch.no_grad():
            prediction = run.module.net(split.input)
        return Points(_array(split.input), _array(split.target), _array(prediction))
    input = table.input[split.rows]
    return Points(
        _array(input),
        _array(table.target[split.rows]),
        _array(predict(run.module.net, run.data, input)),
    )


def _fitted(run: Run, x: Tensor) -> Curve:
    """The fit at raw inputs (points, 1), raw units."""
    x = x.to(run.data.table.input)
    return Curve(_array(x)[:, 0], _array(predict(run.module.net, run.data, x))[:, 0])


def shown_inputs(run: Run) -> Tensor:
    """The grid that a curve over one input is drawn on, (points, 1), raw units."""
    known = run.data.table.input.flatten().tolist() + [row[0] for row in run.probe or []]
    margin = 0.05 * (max(known) - min(known)) or 1.0
    low, high = run.labels.range or (min(known) - margin, max(known) + margin)
    if run.labels.range is None and len(known) > 50:
        low, high = min(known), max(known)
    return torch.linspace(low, high, CURVE_POINTS).to(run.data.table.input)[:, None]


def _curve(run: Run, normalised: bool) -> Curve:
    grid = shown_inputs(run)
    if not normalised:
        return _fitted(run, grid)
    inner = run.data.input_normaliser.apply(grid)
    with torch.no_grad():
        return Curve(_array(inner)[:, 0], _array(run.module.net(inner))[:, 0])


def _view(run: Run, title: str, normalised: bool) -> View:
    names = (run.labels.input, run.labels.target)
    labels = tuple(f"{name} (normalised)" for name in names) if normalised else names
    probes = None
    if run.probe and not normalised:
        asked = torch.tensor(run.probe, dtype=run.data.table.input.dtype)
        probes = _fitted(run, asked)
    splits = {name: _points(run, split, normalised) for name, split in run.data.splits.items()}
    fits = {"fit": _curve(run, normalised)}
    return View(splits, fits, labels[0], labels[1], title, probes)


def _views(run: Run, title: str) -> list[View]:
    views = [_view(run, title, normalised=False)]
    if run.data.target_normaliser is not None and not run.data.target_normaliser.is_identity:
        views.append(_view(run, "as the network sees it", normalised=True))
    return views


def is_one_curve(run: Run) -> bool:
    """Whether its fit can be drawn as a curve over one input."""
    table = run.data.table
    return table.target is not None and table.input.shape[1] == table.target.shape[1] == 1


def draw_fits(runs: Mapping[str, Run], title: str) -> Figure:
    """The fits of several trained runs of one example over its data, raw units, by label.

    Each is marked at the same random test points inside the range of the inputs.
    """
    first = next(iter(runs.values()))
    view = _view(first, title, normalised=False)
    inputs = first.data.table.input
    generator = torch.Generator().manual_seed(0)
    low, high = inputs.min(), inputs.max()
    tests = (low + (high - low) * torch.rand(TESTS, generator=generator)).sort().values[:, None]
    curves = {label: _curve(run, False) for label, run in runs.items()}
    marks = {label: _fitted(run, tests) for label, run in runs.items()}
    return curve_figure([replace(view, curves=curves, tests=marks, probes=None)])


def moving(run: Run) -> list[dict[str, Array]] | None:
    """What changes in `draw_fit`'s picture as the net learns: for each panel, gid -> values.

    "fit": (points,), "prediction/SPLIT": (rows,), or "map": (rows, columns) of the grid. None
    for the kinds of picture that nothing moves in.
    """
    table = run.data.table
    if is_one_curve(run):
        return [
            {"fit": view.curves["fit"].y}
            | {f"prediction/{name}": p.prediction[:, 0] for name, p in view.splits.items()}
            for view in _views(run, "")
        ]
    return [{"map": _map(run)[2]}] if _is_map(table) else None


def _is_map(table: Table) -> bool:
    return table.target is not None and (table.input.shape[1], table.target.shape[1]) == (2, 1)


def map_axes(run: Run) -> tuple[Tensor, Tensor, Tensor]:
    """The grid of a map over two inputs, raw units: x, y, and its points (rows · columns, 2)."""
    input = run.data.table.input
    low, high = input.min(dim=0).values, input.max(dim=0).values
    margin = torch.where(high > low, 0.25 * (high - low), torch.ones_like(high))
    axes = [
        torch.linspace(float(low[i] - margin[i]), float(high[i] + margin[i]), MAP_POINTS).to(input)
        for i in range(2)
    ]
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    return axes[0], axes[1], torch.stack([x, y], dim=-1).view(-1, 2)


def _map(run: Run) -> tuple[Array, Array, Array]:
    x, y, points = map_axes(run)
    values = predict(run.module.net, run.data, points)
    return _array(x), _array(y), _array(values[:, 0].view(MAP_POINTS, MAP_POINTS))


def draw_fit(run: Run, title: str) -> Figure:
    """The picture that suits the example: a curve, a map, a scatter, or its outputs."""
    table = run.data.table
    if table.target is None:
        outputs = predict(run.module.net, run.data, table.input)
        unit = f" ({run.labels.unit})" if run.labels.unit else ""
        return output_figure(_array(outputs), title, f"predicted {run.labels.target}{unit}")
    if is_one_curve(run):
        return curve_figure(_views(run, title))
    splits = {name: _points(run, split, False) for name, split in run.data.splits.items()}
    if _is_map(table):
        x, y, values = _map(run)
        names = (f"{run.labels.input} 1", f"{run.labels.input} 2")
        predicted = f"predicted {run.labels.target}"
        binary = table.task == "binary"
        return decision_figure(x, y, values, splits, title, names, predicted, binary)
    return scatter_figure(splits, title, run.labels.target)


def save_png(figure: Figure, path: Path) -> tuple[bytes, int, int]:
    """Write the picture; returns its bytes, width and height in pixels."""
    png = to_png(figure)
    path.write_bytes(png)
    width, height = np.rint(figure.get_size_inches() * figure.dpi).astype(int)
    return png, int(width), int(height)
