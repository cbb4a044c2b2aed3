"""Which classes a network takes for which: counts of the truth against the answer."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from src.pictures.figure import new_figure, shortened

ROOMY = 8  # classes up to which every cell has room for its count and its percentage
MOST = 30  # and beyond which no cell has


def confusion_figure(counts: NDArray[np.int64], classes: list[str], title: str) -> Figure:
    """Counts in every cell, coloured by the percentage of its row.

    counts: (classes, classes), rows are the truth, columns the prediction.
    """
    size = len(classes)
    side = min(4.5 + 0.35 * size, 12.0)
    figure, (ax,) = new_figure(height=side)
    figure.set_size_inches(side + 1.5, side)
    rows = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(rows, 1)
    shown = ax.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(shown, ax=ax, label="% of the true class", shrink=0.8)
    font = 10 if size <= ROOMY else max(4.5, 9 - 0.2 * (size - ROOMY))
    for (i, j), count in np.ndenumerate(counts):
        if size > MOST or (count == 0 and size > ROOMY):
            continue  # of many classes most cells are empty, and zeros would hide the others
        text = f"{count:,}\n{100 * share[i, j]:.0f} %" if rows[i] else "0"
        colour = "white" if share[i, j] > 0.6 else "black"
        ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=font)
    names = [shortened(name) for name in classes]
    lengths = sum(map(len, names))
    tick = min(10.0, 40 * side / size)
    ax.set_xticks(range(size), names, rotation=90 if lengths > 50 else 0, fontsize=tick)
    ax.set_yticks(range(size), names, fontsize=tick)
    ax.grid(visible=False)
    ax.set(xlabel="predicted", ylabel="true", title=title)
    return figure
