"""What a network has learned, beside its data: one picture for each kind of example."""

from collections.abc import Sequence
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
    PURPLE,
    SPLITS,
    TITLE,
    axis_name,
    folded,
    legend_below,
    line_style,
    new_figure,
    write_title,
)

Array = NDArray[np.float64]
FEW = 50  # rows up to which each prediction is marked
PANELS = 4  # targets of several that one picture shows


@dataclass(frozen=True)
class Points:
    """Rows of one split: input (n, features), target and prediction (n, outputs)."""

    input: Array
    target: Array
    prediction: Array


@dataclass(frozen=True)
class Curve:
    """A function of one input along a grid: x and y, each (n,)."""

    x: Array
    y: Array


@dataclass(frozen=True)
class View:
    """One panel: the splits by name, and the fitted curve, in one system of units.

    curves: by their label, one for a run, several for the settings of a sweep. tests: points of
    each of the several, marked.
    """

    splits: dict[str, Points]
    curves: dict[str, Curve]
    x_label: str
    y_label: str
    title: str
    probes: Curve | None = None
    tests: dict[str, Curve] | None = None


def curve_figure(view: View) -> Figure:
    """One-feature examples: data as dots, the fitted curve, the validation points marked."""
    figure, (ax,) = new_figure()
    _draw_curve(ax, view)
    write_title(ax, view.title)
    if len(view.curves) > 1:
        # The labels of settings are long, and would cover what they name.
        legend_below(figure, *ax.get_legend_handles_labels())
    return figure


def _draw_curve(ax: Axes, view: View) -> None:
    many = sum(len(points.input) for points in view.splits.values()) > FEW
    several = len(view.curves) > 1
    for name, points in view.splits.items():
        kind, colour, marker = SPLITS[name]
        label = f"{kind} data"
        if several:  # runs with splits of their own, in colours that mean the curves
            label, colour, marker = "data" if name == "train" else None, LIGHT, "o"
        x = points.input[:, 0]
        # Of thousands of points, the validation ones as a thin line of dots inside the others.
        size = {"train": 14, "val": 14 if several else 2}[name] if many else 36
        ax.scatter(
            *(x, points.target[:, 0]), s=size, c=colour, marker=marker, label=label, zorder=3,
            linewidths=0 if many else 1,
        )  # fmt: skip
        if not many and not several:
            crosses = ax.scatter(
                x, points.prediction[:, 0], s=40, c="black", marker="x", zorder=4,
                gid=f"prediction/{name}",
            )  # fmt: skip
            if name == "train":
                crosses.set_label("prediction")
    colours = PALETTE if several else [GREEN]
    for i, (label, curve) in enumerate(view.curves.items()):
        (colour, style), order = line_style(i, colours), 5 if many else 2
        ax.plot(
            curve.x, curve.y, style, color=colour, linewidth=2, label=label, zorder=order,
            gid="fit",
        )  # fmt: skip
        if view.tests is not None:
            test = view.tests[label]
            ax.scatter(test.x, test.y, s=14, c=colour, zorder=order)
    if view.tests:
        count = len(next(iter(view.tests.values())).x)
        ax.scatter([], [], s=14, c=GREY, label=f"the fits at {count} random test points")
    if view.probes is not None:
        ax.scatter(
            *(view.probes.x, view.probes.y), s=50, c=PURPLE, marker="s", label="asked for", zorder=5
        )
    ax.set(xlabel=axis_name(view.x_label), ylabel=axis_name(view.y_label))
    targets = np.concatenate([points.target.ravel() for points in view.splits.values()])
    span = float(np.ptp(targets)) or 1.0
    curves = np.concatenate([curve.y for curve in view.curves.values()])
    if not np.abs(curves - targets.mean()).max() < 100 * span:
        # A diverged fit would press all data onto one line.
        ax.set_ylim(targets.min() - span, targets.max() + span)
    if not several:
        # Above the rows, where these fill the picture.
        ax.legend(edgecolor="none", framealpha=0.85, markerscale=2 if many else 1).set_zorder(6)


def scatter_figure(splits: dict[str, Points], title: str, names: Sequence[str]) -> Figure:
    """Any other example with targets: predicted against true, on the diagonal where right.

    names: one for all outputs, in one panel; or one for each, which have units of their own, and
    a panel each, up to PANELS of them.
    """
    shown = names[:PANELS]
    columns = 2 if len(shown) == PANELS else len(shown)
    rows = -(-len(shown) // columns)
    width = max(4.4 * columns, 5.5)
    figure, axes = new_figure(len(shown), 4.4 * rows + 0.3, width, columns)
    for i, (ax, name) in enumerate(zip(axes, shown, strict=True)):
        outputs = slice(None) if len(names) == 1 else slice(i, i + 1)
        _scatter(ax, splits, outputs, name)
    axes[0].legend(edgecolor="none", framealpha=0.85, loc="upper left").set_zorder(6)
    if len(names) > PANELS:
        title += f"\n{PANELS} of {len(names)} targets"
    if len(axes) == 1:
        write_title(axes[0], title)
    else:
        figure.suptitle(folded(title, width, TITLE))
    return figure


def _scatter(ax: Axes, splits: dict[str, Points], columns: slice, name: str) -> None:
    ends = []
    for split, points in splits.items():
        label, colour, _ = SPLITS[split]
        target, prediction = points.target[:, columns], points.prediction[:, columns]
        size = 36 if points.target.size <= 10 * FEW else 8
        ax.scatter(target.ravel(), prediction.ravel(), size, colour, label=label,
                   zorder=3, linewidths=1 if size > 8 else 0)  # fmt: skip
        ends += [target, prediction]
    every = np.concatenate([values.ravel() for values in ends])
    every = every[np.isfinite(every)]
    low, high = float(every.min()), float(every.max())
    margin = 0.05 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color=GREY, linestyle=":", label="right")
    ax.set(xlim=ends, ylim=ends, aspect="equal")  # one unit on both
    ax.locator_params(nbins=5)
    short = axis_name(name, 2.4)
    ax.set(xlabel=f"{short} (true)", ylabel=f"{short} (predicted)")


def output_figure(outputs: Array, title: str, name: str) -> Figure:
    """Examples without targets: the outputs (rows, outputs) as bars, or many of them as a map."""
    figure, (ax,) = new_figure()
    rows, columns = outputs.shape
    if outputs.size <= 20 and rows == 1:
        bars = ax.bar(range(1, columns + 1), outputs[0], color=BLUE, width=0.6)
        ax.bar_label(bars, fmt="%.4f", padding=3)
        ax.axhline(0, color=GREY, linewidth=1)
        ax.margins(y=0.15)
        ax.set(xticks=range(1, columns + 1), xlabel="output", ylabel=name)
        if columns == 1:
            ax.set_xlim(0, 2)
    else:
        extreme = float(np.abs(outputs).max()) or 1.0
        shown = ax.imshow(outputs, cmap="RdBu", vmin=-extreme, vmax=extreme, aspect="auto")
        figure.colorbar(shown, ax=ax, label=name)
        ax.grid(visible=False)
        ax.set(
            xticks=range(columns), xticklabels=range(1, columns + 1), xlabel="output",
            yticks=range(rows), yticklabels=range(1, rows + 1), ylabel="row",
        )  # fmt: skip
    write_title(ax, title)
    return figure
