"""Learning curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from src.pictures.figure import BLUE, GREEN, GREY, ORANGE, new_figure


def loss_figure(
    curves: Mapping[str, Sequence[float]],
    baseline: Mapping[str, float],
    title: str,
    kept: int | None = None,
) -> Figure:
    """Training and validation loss by step, on a log scale, beside the constant predictor's.

    curves: "step" and the losses, one value a logged point. baseline: its losses by name.
    kept: the step whose weights were kept, marked; None where they are the last ones.
    """
    figure, (ax,) = new_figure()
    steps = np.asarray(curves["step"])
    marker = "." if len(steps) <= 20 else None
    for name, label, colour in (
        ("train/loss", "training", BLUE),
        ("val/loss", "validation", ORANGE),
    ):
        if name not in curves:
            continue
        values = np.asarray(curves[name], dtype=float)
        # A diverging run passes every scale; matplotlib's ticks overflow near the largest float.
        shown = (values > 0) & (values < 1e100)
        ax.plot(steps[shown], values[shown], color=colour, label=label, marker=marker)
    if baseline.get("train/loss", 0.0) > 0:
        ax.axhline(
            baseline["train/loss"], color=GREY, linestyle=":", label="constant predictor (training)"
        )
    if kept is not None:
        ax.axvline(kept, color=GREEN, linestyle="--", label=f"weights kept: step {kept}")
    ax.set_xlim(-0.02 * steps[-1], 1.02 * steps[-1])
    ax.set(yscale="log", xlabel="step", ylabel="loss", title=title)
    ax.legend(edgecolor="none")  # with a ground: it may lie on the dotted line
    return figure
