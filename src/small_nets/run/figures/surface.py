"""The loss over a plane through the solution, and the path of training on it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from small_nets.run.figures.figure import ORANGE, caption, drawable, new_figure

Array = NDArray[np.float64]
DECADES = 12  # of the loss that are shown, from the smallest up
LINES = 12


@dataclass(frozen=True)
class Surface:
    """x: (columns,), y: (rows,), loss: (rows, columns); path: (points, 2); all centred on the end.

    loss: NaN and infinity where it is not finite. shares: of the path's variance that lies along x
    and y.
    """

    x: Array
    y: Array
    loss: Array
    path: Array
    shares: tuple[float, float]


def surface_figure(found: Surface, steps: tuple[int, int], loss_name: str, title: str) -> Figure:
    """The loss in colours on a log scale with its contour lines; start, path and end on it.

    steps: of the path's first point and of the end.
    """
    figure, (ax,) = new_figure(height=5.6)
    loss = drawable(found.loss)
    known = loss[loss > 0]
    if known.size:
        low = float(known.min())
        high = max(min(float(known.max()), low * 10.0**DECADES), low * 1.01)
        # A loss of exactly 0 has no logarithm; it is as dark as the smallest.
        shown = np.ma.masked_invalid(np.clip(loss, low, high))
        norm = LogNorm(low, high)
        mesh = ax.pcolormesh(found.x, found.y, shown, cmap="cividis", norm=norm, shading="gouraud")
        levels = np.geomspace(low, high, LINES + 2)[1:-1]
        ax.contour(found.x, found.y, shown, levels=levels, colors="white", linewidths=0.7,
                   alpha=0.7)  # fmt: skip
        figure.colorbar(mesh, ax=ax, label=f"training loss ({loss_name})")
    white = {"color": "white", "zorder": 3}
    ax.plot(found.path[:, 0], found.path[:, 1], linewidth=3.0, **white)
    ax.plot(found.path[:, 0], found.path[:, 1], ".-", color=ORANGE, markersize=4, zorder=4,
            label="path of training, a dot for each point kept")  # fmt: skip
    marks = {"edgecolors": "white", "linewidths": 1.2, "zorder": 5}
    first, last = steps
    begin = found.path[0]
    ax.scatter(begin[0], begin[1], 80, ORANGE, marker="o", label=f"start (step {first:,})", **marks)
    ax.scatter(0, 0, 160, ORANGE, marker="*", label=f"end (step {last:,})", **marks)
    ax.set(xlim=found.x[[0, -1]], ylim=found.y[[0, -1]])
    ax.grid(visible=False)
    x, y = (f"{name} direction ({share:.1%} of the path's variance)"
            for name, share in zip(("first", "second"), found.shares, strict=True))  # fmt: skip
    ax.set(xlabel=x, ylabel=y, title=title)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    caption(
        figure,
        "The training loss on the plane through the end that holds most of the path (its first two "
        "principal components; distances in units of the parameters). Lines join equal losses; the "
        "path is its shadow on the plane, so where it leaves the plane its own loss is another.",
    )
    return figure
