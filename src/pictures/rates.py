"""Gradient descent on a quadratic, at several learning rates."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from src.pictures.figure import GREY, new_figure

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
