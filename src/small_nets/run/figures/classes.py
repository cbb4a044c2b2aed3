"""What a network that tells classes apart has learned, beside its data; and which it mixes up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from small_nets.run.figures.figure import (
    GREY,
    SPLITS,
    axis_name,
    distinct,
    new_figure,
    shortened,
    write_title,
)
from small_nets.run.figures.map_legend import class_colours

Array = NDArray[np.float64]
Places = NDArray[np.int64]
ROOMY = 8  # classes up to which every cell has room for its count and its percentage
MOST = 30  # and beyond which no cell has


@dataclass(frozen=True)
class Labelled:
    """Rows of one split: input (n, features), truth (n,) and probability (n, classes)."""

    input: Array
    truth: Places
    probability: Array


def probability_curves(
    x: Array, probability: Array, splits: Mapping[str, Labelled], classes: Sequence[str],
    names: tuple[str, str], title: str,
) -> Figure:  # fmt: skip
    """One input: the probability of each class along it, and the rows below, by their class.

    x: (points,), probability: (points, classes). names: of the input and of the target.
    """
    figure, (ax,) = new_figure(height=4.5 + 0.25 * len(classes))
    grid = figure.add_gridspec(2, 1, height_ratios=[3, 0.3 + 0.25 * len(classes)])
    ax.set_subplotspec(grid[0])
    rug = figure.add_subplot(grid[1], sharex=ax)
    rug.spines[["top", "right"]].set_visible(False)
    colours = class_colours(len(classes))
    labels = distinct(classes)
    for i, label in enumerate(labels):
        ax.plot(x, probability[:, i], color=colours[i], linewidth=2, label=label)
    ax.set(ylim=(-0.03, 1.03), ylabel="probability")
    write_title(ax, title, 0.6)
    _rows_by_class(rug, splits, colours)
    rug.set_yticks(range(len(classes)), labels)
    # Of few classes the rows' panel is low, and has no room for a long name.
    rug.set(
        xlabel=axis_name(names[0]),
        ylabel=shortened(names[1], 8 + 3 * len(classes)),
        ylim=(len(classes) - 0.4, -0.6),
    )
    ax.tick_params(labelbottom=False)
    return figure


def _rows_by_class(ax: Axes, splits: Mapping[str, Labelled], colours: Sequence[str]) -> None:
    generator = np.random.default_rng(0)
    for split, rows in splits.items():
        # Rows of one class lie beside each other, moved a little, so that many can be seen.
        y = rows.truth + generator.uniform(-0.3, 0.3, len(rows.truth))
        kind, _, marker = SPLITS[split]
        ax.scatter(
            rows.input[:, 0], y, s=10, marker=marker, linewidths=0.4,
            c=[colours[i] for i in rows.truth], label=kind,
            edgecolors="none" if split == "train" else "black",
        )  # fmt: skip
    if len(splits) > 1:
        ax.legend(
            handles=[
                Line2D([], [], linestyle="", marker=m, color=GREY, label=label, markeredgecolor=e)
                for m, label, e in (("o", "training data", GREY), ("D", "validation data", "black"))
            ],
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9,
        )  # fmt: skip


def sureness_figure(
    splits: Mapping[str, Labelled], classes: Sequence[str], name: str, title: str
) -> Figure:
    """Any number of inputs: for the rows of each class, the probability given to the truth."""
    figure, (ax,) = new_figure(height=5.0)
    figure.set_size_inches(max(7.0, 2 + 0.6 * len(classes)), 5.0)
    width = 0.7 / len(splits)
    for k, (split, rows) in enumerate(splits.items()):
        kind, colour, _ = SPLITS[split]
        given = rows.probability[np.arange(len(rows.truth)), rows.truth]
        found = [(i, given[rows.truth == i]) for i in range(len(classes))]
        found = [(i, values[np.isfinite(values)]) for i, values in found]
        found = [(i, values) for i, values in found if len(values)]
        places = [i + (k - (len(splits) - 1) / 2) * width for i, _ in found]
        ax.boxplot(
            [values for _, values in found], positions=places, widths=0.8 * width,
            manage_ticks=False, patch_artist=True, whis=(5, 95), showfliers=False,
            label=kind,
            boxprops={"facecolor": colour, "alpha": 0.6, "linewidth": 0},
            medianprops={"color": "black"},
        )  # fmt: skip
    labels = distinct(classes)
    turned = sum(map(len, labels)) > 70
    ax.set_xticks(range(len(classes)), labels, rotation=90 if turned else 0)
    ax.set(xlim=(-0.6, len(classes) - 0.4), ylim=(-0.03, 1.03))
    ax.set(xlabel=f"{axis_name(name)} (true)", ylabel="probability given to the true class")
    write_title(ax, title)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def confusion_figure(counts: Places, classes: list[str], title: str) -> Figure:
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
    names = distinct(classes)
    lengths = sum(map(len, names))
    tick = min(10.0, 40 * side / size)
    ax.set_xticks(range(size), names, rotation=90 if lengths > 50 else 0, fontsize=tick)
    ax.set_yticks(range(size), names, fontsize=tick)
    ax.grid(visible=False)
    ax.set(xlabel="predicted", ylabel="true")
    write_title(ax, title, 0.5)
    return figure
