"""A fitted curve taken apart into what each hidden unit contributes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from small_nets.run.figures.figure import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    PALETTE,
    TITLE,
    axis_name,
    caption,
    folded,
    line_style,
    new_figure,
)

Array = NDArray[np.float64]
MANY = 50  # data points from which on they are small


@dataclass(frozen=True)
class Unit:
    """A hidden unit's weighted output w_j a_j(x), (points,), and the x where it bends, if known."""

    name: str
    values: Array
    bend: float | None


@dataclass(frozen=True)
class Parts:
    """A net with one input and one output along x, (points,) in raw units; all else as it has it.

    bias: the output layer's. total: Σ units + bias, (points,). output: behind the output
    activation, None where there is none. place: what the bend of these units is called. data:
    training inputs (raw) and targets as the net sees them.
    """

    x: Array
    units: list[Unit]
    bias: float
    total: Array
    output: Array | None
    activation: str
    place: str | None
    data: tuple[Array, Array]


def parts_figure(parts: Parts, title: str, names: tuple[str, str]) -> Figure:
    """Left: each unit's part and the bias. Right: their sum, the fit and the data.

    names: of x in raw units, and of y as the net has it.
    """
    figure, (left, right) = new_figure(2, height=5.2)
    bends = _draw_units(left, parts)
    x, y = map(axis_name, names)
    left.set(xlabel=x, ylabel=axis_name(f"contribution, {names[1]}"), title="each hidden unit")
    _draw_sum(right, parts)
    right.set(xlabel=x, ylabel=y, title="their sum")
    figure.suptitle(folded(title, figure.get_size_inches()[0], TITLE))
    figure.legend(*left.get_legend_handles_labels(), loc="outside left upper", frameon=False)
    figure.legend(*right.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    where = f" A dot marks the {parts.place} of a unit, where its input is 0." if bends else ""
    after = f" and, through {parts.activation}, the fit" if parts.output is not None else ""
    caption(
        figure,
        "Left, what each unit of the last hidden layer adds to the output: its activation times "
        f"its weight.{where} Right, the sum of these lines and the bias{after}: the curve can bend "
        "only where a unit does.",
    )
    return figure


def _draw_units(ax: Axes, parts: Parts) -> bool:
    """Draw each unit; whether any bend was marked."""
    marked = False
    for i, unit in enumerate(parts.units):
        colour, style = line_style(i, PALETTE)
        ax.plot(parts.x, unit.values, style, color=colour, label=unit.name)
        if unit.bend is not None and parts.x[0] <= unit.bend <= parts.x[-1]:
            y = np.interp(unit.bend, parts.x, unit.values)
            ax.scatter([unit.bend], [y], 40, colour, edgecolors="white", zorder=4)
            marked = True
    ax.axhline(parts.bias, color=GREY, linestyle="-.", linewidth=1, label="bias")
    return marked


def _draw_sum(ax: Axes, parts: Parts) -> None:
    x, y = parts.data
    many = len(x) > MANY
    colour = LIGHT if many else BLUE
    ax.scatter(x, y, 6 if many else 36, colour, label="training data", linewidths=0, zorder=2)
    if parts.output is None:
        ax.plot(parts.x, parts.total, color=GREEN, linewidth=2, label="sum: the fit", zorder=3)
    else:
        ax.plot(parts.x, parts.total, "--", color="black", label="sum", zorder=3)
        label = f"{parts.activation}(sum):\nthe fit"
        ax.plot(parts.x, parts.output, color=GREEN, linewidth=2, label=label, zorder=4)
