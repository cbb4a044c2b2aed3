"""The loss over a plane through the solution, and the path of training on it."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from small_nets.run.figures.figure import (
    ORANGE,
    axis_name,
    caption,
    drawable,
    log_ticks,
    new_figure,
    write_title,
)

Array = NDArray[np.float64]
DECADES = 12  # of the loss that are shown, from the smallest up
LINES = 12


@dataclass(frozen=True)
class Surface:
    """x: (columns,), y: (rows,), loss: (rows, columns); path: (points, 2), and its end: (2,).

    loss: NaN and infinity where it is not finite. names: of x and y. is_whole: whether x and y are
    all that is trained, so that the path lies on the surface; else they are directions, and it is
    the path's shadow.
    """

    x: Array
    y: Array
    loss: Array
    path: Array
    end: Array
    names: tuple[str, ...]
    is_whole: bool


def surface_figure(found: Surface, steps: tuple[int, int], loss_name: str, title: str) -> Figure:
    """The loss in colours on a log scale with its contour lines; start, path and end on it.

    steps: of the path's first point and of the end.
    """
    figure, (ax,) = new_figure(height=5.6)
    draw_ground(ax, found, loss_name)
    white = {"color": "white", "zorder": 3}
    ax.plot(found.path[:, 0], found.path[:, 1], linewidth=3.0, **white)
    label = "path of training" if found.is_whole else "path of training (shadow)"
    ax.plot(found.path[:, 0], found.path[:, 1], ".-", color=ORANGE, markersize=4, zorder=4,
            label=label)  # fmt: skip
    marks = {"edgecolors": "white", "linewidths": 1.2, "zorder": 5}
    first, last = steps
    begin = found.path[0]
    ax.scatter(begin[0], begin[1], 80, ORANGE, marker="o", label=f"start (step {first:,})", **marks)
    ax.scatter(
        found.end[0], found.end[1], 160, ORANGE, marker="*", label=f"end (step {last:,})", **marks
    )
    write_title(ax, title, 0.7)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    if found.is_whole:
        where = (
            "The training loss at all values of the two numbers that are trained. Lines join equal "
            "losses; the path is where training went, with a dot for each point looked at."
        )
    else:
        where = (
            "The training loss on the plane through the end that holds most of the path (its first "
            "two principal components; distances in units of the parameters). Lines join equal "
            "losses; the path is its shadow on the plane, so where it leaves the plane its own "
            "loss is another."
        )
    caption(figure, where)
    return figure


def draw_ground(ax: Axes, found: Surface, loss_name: str, strength: float = 1.0) -> None:
    """The loss in colours with its bar and its contour lines. strength: of the colours, to 1."""
    figure, loss = ax.get_figure(root=True), drawable(found.loss)
    assert figure is not None, "axes of a figure"
    known = loss[loss > 0]
    if known.size:
        # A point that happens to be exact would leave all others the same colour.
        low = max(float(known.min()), float(np.quantile(known, 0.005)) / 10)
        high = max(min(float(known.max()), low * 10.0**DECADES), low * 1.01)
        # A loss of exactly 0 has no logarithm; it is as dark as the smallest.
        shown = np.ma.masked_invalid(np.clip(loss, low, high))
        norm = LogNorm(low, high)
        mesh = ax.pcolormesh(found.x, found.y, shown, cmap=_pale(strength), norm=norm,
                             shading="gouraud")  # fmt: skip
        levels = np.geomspace(low, high, LINES + 2)[1:-1]
        ax.contour(found.x, found.y, shown, levels=levels, colors="white", linewidths=0.7,
                   alpha=0.7)  # fmt: skip
        label = f"training loss ({loss_name})"
        bar = figure.colorbar(mesh, ax=ax, label=label)
        log_ticks(bar.ax.yaxis)
    ax.set(xlim=found.x[[0, -1]], ylim=found.y[[0, -1]])
    ax.grid(visible=False)
    ax.set(xlabel=axis_name(found.names[0]), ylabel=axis_name(found.names[1]))


def _pale(strength: float) -> ListedColormap:
    """The colour map of losses, mixed with white."""
    colours = colormaps["cividis"](np.linspace(0, 1, 256))[:, :3]
    return ListedColormap(1 - strength * (1 - colours))
