"""Learning curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from small_nets.run.figures.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALETTE,
    SPLITS,
    drawable,
    legend_below,
    line_style,
    log_ticks,
    new_figure,
    step_axis,
    write_title,
)


@dataclass(frozen=True)
class Line:
    """A loss by step, and the band around it where it stands for several runs.

    steps, values: (points,); low, high: (points,) or None.
    """

    label: str
    steps: Sequence[float]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def loss_figure(
    curves: Mapping[str, Sequence[float]],
    baseline: Mapping[str, float],
    title: str,
    kept: int | None = None,
    is_normalised: bool = False,
) -> Figure:
    """Training and validation loss by step, on a log scale, beside the constant predictor's.

    curves: "step" and the losses, one value a logged point. baseline: its losses by name.
    kept: the step whose weights were kept, marked; None where they are the last ones.
    is_normalised: whether the losses are of normalised targets.
    """
    figure, (ax,) = new_figure()
    known = {f"{split}/loss": label for split, (label, _, _) in SPLITS.items()}
    lines = [Line(known[n], curves["step"], curves[n]) for n in known if n in curves]
    _draw(ax, lines, [BLUE, ORANGE], title)
    ax.set_ylabel("loss (normalised)" if is_normalised else "loss")
    if baseline.get("train/loss", 0.0) > 0:
        ax.axhline(
            baseline["train/loss"], color=GREY, linestyle=":", label="constant predictor (training)"
        )
    if kept is not None:
        ax.axvline(kept, color=GREEN, linestyle="--", label=f"weights kept: step {kept}")
    if kept is None:
        ax.legend(edgecolor="none")  # with a ground: it may lie on the dotted line
    else:  # lines cross the panel both ways
        legend_below(figure, *ax.get_legend_handles_labels())
    return figure


def losses_figure(lines: Sequence[Line], title: str, name: str, edge: bool = False) -> Figure:
    """The same loss of several settings in one picture. name: which loss.

    edge: whether it is a sharpness relative to its bound, which a line at 1 marks.
    """
    figure, (ax,) = new_figure(height=5.0)
    _draw(ax, lines, PALETTE, title)
    ax.set_ylabel(name)
    if edge:
        ax.axhline(
            1.0, color="black", linestyle="--", linewidth=1, label="1: the edge of stability"
        )
    handles, labels = ax.get_legend_handles_labels()
    if any(line.low is not None for line in lines):
        handles.append(Patch(color=GREY, alpha=0.3, linewidth=0))
        labels.append("line: median of the seeds, band: the middle 80%")
    legend_below(figure, handles, labels)
    return figure


def _draw(ax: Axes, lines: Sequence[Line], colours: Sequence[str], title: str) -> None:
    last = 1.0
    for i, line in enumerate(lines):
        steps, values = np.asarray(line.steps), drawable(line.values)
        shown = values > 0
        colour, style = line_style(i, colours)
        (drawn,) = ax.plot(steps[shown], values[shown], style, label=line.label, color=colour)
        drawn.set_marker("." if len(steps) <= 20 else "")
        if line.low is not None and line.high is not None:
            low, high = (np.asarray(v, dtype=float)[shown] for v in (line.low, line.high))
            alpha = min(0.15, 0.6 / len(lines))  # many bands lie over one another
            ax.fill_between(steps[shown], low, high, color=colour, alpha=alpha, linewidth=0)
        last = max(last, float(steps[-1]))
    step_axis(ax, last)
    ax.set_yscale("log")
    log_ticks(ax.yaxis)
    write_title(ax, title)
