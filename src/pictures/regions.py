"""Which class a net chooses where: the map of two features and several classes."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from src.pictures.figure import PALETTE, caption, new_figure

Array = NDArray[np.float64]
MARKERS = "o^sDvP"


def regions_figure(
    grid_x: Array, grid_y: Array, chosen: Array, rows: Array, truth: Array,
    names: tuple[str, str], classes: list[str], title: str,
) -> Figure:  # fmt: skip
    """The chosen class as a ground, and the training rows in the colours of theirs.

    grid_x: (columns,), grid_y: (rows,); chosen: (rows, columns) numbers of classes; rows: (n, 2);
    truth: (n,). Beyond six classes colours and shapes come again.
    """
    figure, (ax,) = new_figure(height=5.4)
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(classes))]
    ax.pcolormesh(grid_x, grid_y, chosen, cmap=ListedColormap(colours), alpha=0.25,
                  vmin=-0.5, vmax=len(classes) - 0.5, shading="nearest")  # fmt: skip
    for i, name in enumerate(classes):
        of = truth == i
        ax.scatter(rows[of, 0], rows[of, 1], 60, colours[i], marker=MARKERS[i % len(MARKERS)],
                   edgecolors="white", label=name, zorder=3)  # fmt: skip
    ax.grid(visible=False)
    ax.set(xlabel=names[0], ylabel=names[1], title=title)
    figure.legend(loc="outside right upper", frameon=False)
    caption(figure, "Ground: the class whose output is the largest at each point of the plane. "
                    "Marks: the training rows in the colour of their own class.")  # fmt: skip
    return figure
