"""The rows of a two-feature problem at the input and behind each hidden layer."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from small_nets.run.figures.figure import (
    are_alike,
    axis_name,
    caption,
    drawable,
    new_figure,
)
from small_nets.run.figures.map_legend import TWO
from small_nets.run.figures.maps import draw_boundaries

Array = NDArray[np.float64]
MANY = 50


@dataclass(frozen=True)
class Panel:
    """One plane: the rows in it, and what the rest of the net predicts at its points.

    rows: (n, 2); truth: (n,) targets in raw units; grid: (columns,) and (rows,); values: (rows,
    columns), predictions in raw units. classes: targets are 0 and 1.
    """

    title: str
    names: tuple[str, str]
    rows: Array
    truth: Array
    classes: bool
    grid: tuple[Array, Array]
    values: Array
    value_name: str


def features_figure(panels: list[Panel], title: str) -> Figure:
    """One panel for each plane, the same rows in the same colours in all of them."""
    figure, axes = new_figure(len(panels), height=5.4)
    every = drawable(np.concatenate([*(p.values.ravel() for p in panels), panels[0].truth]))
    low, high = (0.0, 1.0) if panels[0].classes else (np.nanmin(every), np.nanmax(every))
    colours = {"cmap": "cividis", "vmin": low, "vmax": high}
    for i, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        values = np.ma.masked_invalid(np.clip(panel.values, -1e100, 1e100))
        size = 18 if len(panel.rows) > MANY else 80
        x, y = panel.rows.T
        edge = {"edgecolors": "white", "linewidths": 0.4 if len(panel.rows) > MANY else 1.0}
        if panel.classes:
            faint = {**colours, "cmap": "Greys", "vmin": -0.4, "vmax": 2.5}
            ax.pcolormesh(*panel.grid, values, shading="gouraud", **faint)
            draw_boundaries(ax, *panel.grid, values.filled(np.nan))
            for truth, (colour, marker) in enumerate(TWO):
                of = panel.truth.round() == truth
                ax.scatter(x[of], y[of], size, colour, marker=marker, zorder=3, **edge,
                           label=f"target {truth}" if i == 0 else None)  # fmt: skip
        else:
            shown = ax.pcolormesh(*panel.grid, values, shading="gouraud", **colours)
            ax.scatter(x, y, size, panel.truth, zorder=3, **edge, **colours)
            if i == len(panels) - 1:
                figure.colorbar(shown, ax=ax, label=panel.value_name)
        ax.grid(visible=False)
        ax.margins(0)
        if are_alike(*panel.grid):
            ax.set_aspect("equal")
        ax.set(xlabel=axis_name(panel.names[0]), ylabel=axis_name(panel.names[1]))
        ax.set_title(panel.title)
    if panels[0].classes:
        axes[0].plot([], [], color="black", label="decision line (prediction 0.5)")
        figure.legend(loc="outside upper right", ncols=3, frameon=False)
    figure.suptitle(title, x=0.01, ha="left")
    caption(figure, _words(panels))
    return figure


def _words(panels: list[Panel]) -> str:
    projected = any(p.names[0].startswith("principal") for p in panels)
    line = "line" if panels[0].classes else "colours"
    text = (
        "The training rows at the input and as the hidden layer hands them on; the ground is what "
        f"the rest of the net predicts there. Behind the last hidden layer its {line} must be "
        "straight: the layers in front have moved the rows until that is enough."
    )
    if projected:
        text += (
            " Of more than two units: the plane of the first two principal components through the "
            "rows' mean, and where the output layer cuts it; then along its weights, the only "
            "direction in which it tells rows apart, so that its line there holds for every row."
        )
    return text
