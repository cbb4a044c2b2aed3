"""The largest curvature of the loss along training, beside what the learning rate allows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from src.pictures.figure import BLUE, GREY, caption, new_figure


def sharpness_figure(
    steps: Sequence[int], largest: Sequence[float], bound: Sequence[float], title: str, note: str
) -> Figure:
    """λmax of the Hessian and 2 / learning rate by step.

    Each of `largest` and `bound` has a value for each step; what is not finite is not drawn.
    note: what the bound means for the rule that trained it.
    """
    figure, (ax,) = new_figure()
    drawn: list[float] = []
    for name, values, style, colour in (
        ("λmax of the Hessian", largest, ".-", BLUE),
        ("2 / learning rate", bound, "--", GREY),
    ):
        found = np.asarray(values, dtype=float)
        shown = np.where(np.isfinite(found) & (np.abs(found) < 1e100), found, np.nan)
        ax.plot(steps, shown, style, color=colour, label=name)
        drawn += shown[np.isfinite(shown)].tolist()
    positive = [v for v in drawn if v > 0]
    # A net that starts on a hilltop has λmax below 0, which a log scale cannot show.
    if positive and max(positive) > 20 * min(positive):
        if len(positive) == len(drawn):
            ax.set_yscale("log")
        else:
            ax.set_yscale("symlog", linthresh=max(min(positive), 1e-3 * max(positive)))
    last = max(1, *steps)
    ax.set_xlim(-0.02 * last, 1.02 * last)
    ax.set(xlabel="step", ylabel="curvature (loss / parameter²)", title=title)
    ax.legend(edgecolor="none")
    caption(
        figure,
        "The largest eigenvalue of the training loss's Hessian: how sharply the loss bends in its "
        f"steepest direction. Above the dashed line a step of gradient descent overshoots. {note}",
    )
    return figure
