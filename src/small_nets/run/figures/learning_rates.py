"""Learning rates beside the curvature of the loss: on a quadratic, and along training."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from small_nets.run.figures.figure import (
    BLUE,
    GREY,
    caption,
    drawable,
    log_ticks,
    new_figure,
    step_axis,
    write_title,
)

COLOURS = ("#56B4E9", "#0072B2", "#009E73", "#000000", "#D55E00", "#CC79A7")


def rates_figure(
    eigenvalues: Sequence[float],
    rates: Sequence[tuple[float, float, float]],
    norms: Sequence[Sequence[float]],
) -> Figure:
    """Left: the worst-case contraction by learning rate. Right: the distance by step.

    rates: (multiple of η*, learning rate, contraction), one a line of `norms`, which are
    |w| / |start| after 0, 1, 2, … steps.
    """
    figure, (left, right) = new_figure(2)
    smallest, largest = min(eigenvalues), max(eigenvalues)
    grid = np.linspace(0, 1.1 * max(lr for _, lr, _ in rates), 400)
    each = np.abs(1 - np.outer(grid, np.asarray(eigenvalues)))
    left.plot(grid, each.max(axis=1), color=GREY, label="max over λ of |1 - ηλ|", zorder=2)
    left.axhline(1, color=GREY, linestyle=":", linewidth=1)
    left.axvline(2 / (smallest + largest), color=GREY, linestyle="--", linewidth=1)
    for (multiple, lr, contraction), line, colour in zip(rates, norms, COLOURS, strict=False):
        left.scatter([lr], [contraction], 50, colour, zorder=3)
        shown = np.asarray(line)
        steps = np.flatnonzero((shown > 1e-12) & (shown < 1e6))
        right.plot(steps, shown[steps], color=colour, label=f"{multiple:.2f} η*  (η = {lr:.3g})")
    left.set(
        xlabel="learning rate η", ylabel="contraction a step", ylim=(0, None),
        title="Smallest at η* = 2 / (λmin + λmax), dashed",
    )  # fmt: skip
    left.legend(frameon=False)
    right.set(
        yscale="log", xlabel="step", ylabel="distance to the minimum, relative",
        title="Gradient descent on ½ wᵀAw",
    )  # fmt: skip
    right.legend(frameon=False)
    return figure


def sharpness_figure(
    steps: Sequence[int], largest: Sequence[float], bound: Sequence[float], title: str,
    formula: str, rule: str,
) -> Figure:  # fmt: skip
    """λmax of the Hessian and its bound by step.

    Each of `largest` and `bound` has a value for each step; what is not finite is not drawn.
    formula, rule: of the bound, and of what it is the bound.
    """
    figure, (ax,) = new_figure(height=4.9)
    drawn: list[float] = []
    for name, values, style, colour in (
        ("λmax of the Hessian", largest, ".-", BLUE),
        (f"bound of {rule}: {formula}", bound, "--", GREY),
    ):
        shown = drawable(values)
        ax.plot(steps, shown, style, color=colour, label=name)
        drawn += shown[np.isfinite(shown)].tolist()
    positive = [v for v in drawn if v > 0]
    # A net that starts on a hilltop has λmax below 0, which a log scale cannot show.
    if positive and max(positive) > 20 * min(positive):
        if len(positive) == len(drawn):
            ax.set_yscale("log")
            log_ticks(ax.yaxis)
        else:
            ax.set_yscale("symlog", linthresh=max(min(positive), 1e-3 * max(positive)))
    elif len(positive) == len(drawn):
        ax.set_ylim(0, 1.05 * max(drawn, default=1.0))
    step_axis(ax, max(steps))
    ax.set_ylabel("curvature (loss / parameter²)")
    write_title(ax, title)
    # With the title, since a legend below would lie on the caption.
    columns = 2 if len(rule) + len(formula) < 50 else 1
    figure.legend(loc="outside upper center", ncols=columns, frameon=False)
    symbols = "η: the learning rate" + (", β: the momentum" if "β" in formula else "")
    caption(
        figure,
        "The largest eigenvalue of the training loss's Hessian: how sharply the loss bends in its "
        f"steepest direction. Above the dashed line, steps of {rule} overshoot further and further "
        f"({symbols}).",
    )
    return figure
