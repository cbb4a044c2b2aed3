"""A trained net taken apart: what each hidden unit contributes, what the hidden layers see."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from small_nets.data.prepared import Prepared
from small_nets.nn.inspect import Halves, blocks, halve
from small_nets.run.figures.figure import are_alike
from small_nets.run.figures.hidden_layers import Panel
from small_nets.run.figures.unit_contributions import Parts, Unit
from small_nets.run.pictures.shown_rows import grid_of, to_array

Array = np.ndarray
SHOWN = 10  # units that one picture can tell apart
PANELS = 4
POINTS = 81  # of a map, along each axis
# Where an activation bends: a name for the place where its input is 0.
BENDS = {
    "Tanh": "centre", "Sigmoid": "centre",
    "ReLU": "kink", "Relu": "kink", "LeakyReLU": "kink", "PReLU": "kink",
}  # fmt: skip


def take_apart(net: nn.Module, data: Prepared, grid: Tensor) -> Parts | None:
    """The output's pre-activation over a grid as the sum of what each last hidden unit gives.

    grid: (points, 1), raw units. The pre-activation is Σ_j w_j a_j(x) + b, unit by unit, the
    largest first (by how much it varies over the grid: a constant part bends nothing). None
    for a net without hidden layers, or with several inputs or outputs.
    """
    halves, target = halve(net), data.table.target
    if halves is None or not halves.hidden or target is None:
        return None
    if data.table.input.shape[1] != 1 or halves.output_linear.out_features != 1:
        return None
    if not blocks(halves) or len(halves.output) > 2:
        return None
    x = data.to_network(grid)
    linear = halves.output_linear
    with torch.no_grad():
        last = list(halves.activations(x).values())[-1]
        each = (last * linear.weight).T  # (units, points)
        total = linear(last)[:, 0]
        output = net(x)[:, 0] if len(halves.output) > 1 else None
    bends, place = _bends(halves, data)
    shown = to_array(grid)[:, 0]
    units = [
        Unit(f"unit {j + 1}", to_array(row), bend)
        for j, (row, bend) in enumerate(zip(each, bends, strict=True))
    ]
    units.sort(key=lambda unit: -float(np.ptp(unit.values)))
    if len(units) > SHOWN:
        rest = np.sum([unit.values for unit in units[SHOWN - 1 :]], axis=0)
        others = len(units) - SHOWN + 1
        units = [*units[: SHOWN - 1], Unit(f"sum of the other {others}", rest, None)]
    split = data.train
    assert split.target is not None, "the table has targets"
    return Parts(
        x=shown, units=units, place=place, total=to_array(total),
        bias=0.0 if linear.bias is None else linear.bias.item(),
        output=None if output is None else to_array(output),
        activation=type(halves.output[-1]).__name__.lower(),
        data=(to_array(data.table.input[split.rows])[:, 0], to_array(split.target)[:, 0]),
    )  # fmt: skip


def _bends(halves: Halves, data: Prepared) -> tuple[list[float | None], str | None]:
    """Where each unit bends, raw units: x with w x + b = 0; and what the place is called.

    Only for one hidden layer: the units of a second one bend in as many places as they like.
    """
    found = blocks(halves)
    first = found[0][1]
    kind = type(list(halves.hidden.values())[-1]).__name__
    if len(found) > 1 or kind not in BENDS:
        return [None] * halves.output_linear.in_features, None
    w = first.weight.detach().double()[:, 0]
    b = torch.zeros_like(w) if first.bias is None else first.bias.detach().double()
    raw = data.input_normaliser.invert((-b / w)[:, None])[:, 0]
    return [x if np.isfinite(x) else None for x in raw.tolist()], BENDS[kind]


@dataclass(frozen=True)
class Projection:
    """Two axes in the space of a layer's units.

    centre: (units,); axes: (2, units), orthonormal; labels: of the axes.
    """

    centre: Tensor
    axes: Tensor
    labels: tuple[str, str]

    def apply(self, units: Tensor) -> Tensor:
        """(rows, units) -> (rows, 2)."""
        return (units - self.centre) @ self.axes.T

    def invert(self, at: Tensor) -> Tensor:
        """(rows, 2) -> the points of the plane, (rows, units)."""
        return self.centre + at @ self.axes


def _as_it_is(units: Tensor, labels: tuple[str, str]) -> Projection:
    return Projection(torch.zeros(2).to(units), torch.eye(2).to(units), labels)


def project(units: Tensor) -> Projection:
    """The two units themselves, or the first two principal components of more: (rows, units)."""
    if units.shape[1] == 2:
        return _as_it_is(units, ("unit 1", "unit 2"))
    centre = units.mean(dim=0)
    _, values, rows = torch.linalg.svd(units - centre, full_matrices=True)
    variance = values**2 / (values**2).sum().clamp(min=torch.finfo(units.dtype).tiny)
    shares = [float(v) for v in variance[:2]] + [0.0] * (2 - len(variance))
    labels = [f"principal component {i + 1} ({share:.1%} of the variance)"
              for i, share in enumerate(shares)]  # fmt: skip
    return Projection(centre, rows[:2], (labels[0], labels[1]))


def across(units: Tensor, weight: Tensor) -> Projection:
    """Along the output layer's weights (units,), and the first principal component across them.

    The output depends on nothing else than the first axis, so its line is exact for every row.
    """
    centre = units.mean(dim=0)
    along = weight / weight.norm()
    offsets = units - centre
    rest = offsets - (offsets @ along)[:, None] * along
    second = torch.linalg.svd(rest, full_matrices=False).Vh[0]
    total = (offsets**2).sum().clamp(min=torch.finfo(units.dtype).tiny)
    axes = torch.stack([along, second])
    first, other = (((offsets @ axis) ** 2).sum() / total for axis in axes)
    return Projection(
        centre, axes,
        (f"along the output weights ({first:.1%} of the variance)",
         f"most variance across them ({other:.1%})"),
    )  # fmt: skip


def see_features(
    net: nn.Module, data: Prepared, names: tuple[str, str], value_name: str
) -> list[Panel] | None:
    """The training rows at the input and behind each hidden layer, and what follows from there.

    For two inputs, one output and a hidden layer; otherwise None. At most PANELS panels: the
    input and the last hidden layers, a last one of more than two units twice: in its principal
    components, which the rows fill most but whose plane the output layer may cut far from where
    it parts them, and across the output weights. Behind each panel lies the prediction (raw
    units) of the rest of the net at the points of that plane: behind the last hidden layer, that
    of the output layer alone, whose decision line is straight.
    """
    halves, target = halve(net), data.table.target
    if halves is None or target is None or data.table.input.shape[1] != 2 or target.shape[1] != 1:
        return None
    steps = blocks(halves)
    if not steps or data.target_normaliser is None:
        return None
    raw = data.table.input[data.train.rows]
    truth = to_array(target[data.train.rows])[:, 0]
    classes = data.table.task == "binary"
    views = [_View("the input", raw, _as_it_is(raw, names), lambda x: net(data.to_network(x)))]
    layers = list(net.children())
    for i, (_, linear, front) in enumerate(steps):
        with torch.no_grad():
            units = front(data.train.input)
        if linear.out_features == 1 or not bool(torch.isfinite(units).all()):
            continue  # a single unit has no plane
        where = "" if len(steps) == 1 else f" {i + 1}"
        title = f"behind hidden layer{where} ({linear.out_features} units)"
        rest = nn.Sequential(*layers[len(front) :])
        views.append(_View(title, units, project(units), rest))
        weight = halves.output_linear.weight.detach()[0]
        if i == len(steps) - 1 and len(weight) > 2 and bool(weight.norm() > 0):
            title = "the same, across the output weights"
            views.append(_View(title, units, across(units, weight), rest))
    if len(views) == 1:
        return None
    shown = [views[0], *views[1:][-(PANELS - 1) :]]
    return [_panel(view, data, truth, classes, value_name) for view in shown]


@dataclass(frozen=True)
class _View:
    """rows: (n, units), seen in a plane; rest: from the units to what the net gives."""

    title: str
    rows: Tensor
    seen: Projection
    rest: Callable[[Tensor], Tensor]


def _panel(view: _View, data: Prepared, truth: Array, classes: bool, value_name: str) -> Panel:
    rows, seen = view.rows, view.seen
    at = seen.apply(rows)
    low, high = at.min(dim=0).values, at.max(dim=0).values
    extent = (high - low).clamp(min=1e-3 * float((high - low).max()))
    extent = torch.where(extent > 0, extent, torch.ones_like(extent))
    if are_alike([0.0, float(extent[0])], [0.0, float(extent[1])]):
        # A square, so that the panels are as high as one another though both axes have one scale.
        low, high = (low + high - extent.max()) / 2, (low + high + extent.max()) / 2
        extent = extent.max().expand(2)
    axes = [
        torch.linspace(
            float(low[i] - 0.15 * extent[i]), float(high[i] + 0.15 * extent[i]), POINTS,
            dtype=rows.dtype,
        ) for i in range(2)
    ]  # fmt: skip
    assert data.target_normaliser is not None, "an example with targets normalises them"
    with torch.no_grad():
        values = data.from_network(view.rest(seen.invert(grid_of(axes[0], axes[1]))))
    return Panel(
        title=view.title, names=seen.labels, rows=to_array(at), truth=truth, classes=classes,
        grid=(to_array(axes[0]), to_array(axes[1])),
        values=to_array(values).reshape(POINTS, POINTS), value_name=value_name,
    )  # fmt: skip
