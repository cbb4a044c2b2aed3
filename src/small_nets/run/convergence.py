"""Tells whether the loss was still falling when training ended. Without torch."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

# On the examples, a loss that is still improving falls by 6 % of its value or more in the last
# tenth of training. But so does a loss that approaches zero for ever. So it also has to fall by a
# thousandth of the constant predictor's loss, which is a thousandth of R².
RELATIVE, OF_BASELINE = 0.05, 0.001
FEWEST = 2  # logged points in a tenth of training; with fewer, the question is not answered


def still_falling(
    curves: Mapping[str, Sequence[float]], baseline: Mapping[str, float]
) -> float | None:
    """The relative fall of train/loss over the last tenth of training, if it still falls.

    None if it falls by less than RELATIVE of its value or OF_BASELINE of the constant predictor's
    loss, if it swings, or if val/loss rises (longer training would then overfit). curves: loss ->
    a value for each logged point. baseline: the losses of the constant predictor.
    """
    losses = curves.get("train/loss", ())
    before, last = _last_tenths(losses)
    if len(last) < FEWEST or not all(map(math.isfinite, [*before, *last])):
        return None
    # Medians of the last two tenths are compared, so that no single point decides.
    fall, end = median(before) - median(last), last[-1]
    scale = baseline.get("train/loss") or losses[0]
    rises = sum(max(after - now, 0.0) for now, after in pairwise(last))
    if rises > 0.5 * fall or fall < RELATIVE * end or fall < OF_BASELINE * scale:
        return None
    if "val/loss" in curves:
        before, last = _last_tenths(curves["val/loss"])
        if not median(last) < median(before):
            return None
    return fall / median(before)


def _last_tenths(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The values of the last two tenths of training. Logged points are evenly spaced."""
    count = len(values) // 10
    end = len(values)
    return values[end - 2 * count : end - count], values[end - count :]
