"""Whether the loss was still falling when training ended. Pure, and without torch."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

# Measured on the examples: a loss on its way falls by 6 % and more of its value in the last tenth,
# but so does one that nears zero for ever. What is a thousandth of the constant predictor's loss
# is worth more epochs: a thousandth of R².
RELATIVE, OF_BASELINE = 0.05, 0.001
FEWEST = 2  # logged points within a tenth of training, below which nothing can be said


def still_falling(
    curves: Mapping[str, Sequence[float]], baseline: Mapping[str, float]
) -> float | None:
    """The share of its value by which train/loss fell over the last tenth of training.

    None where it does not fall any more, by more than RELATIVE of its value and OF_BASELINE of
    the constant predictor's; where it swings; and where val/loss rises, since longer training
    would then only learn the rows by heart.
    curves: each loss, one value a logged point.
    """
    losses = curves.get("train/loss", ())
    before, last = _last_tenths(losses)
    if len(last) < FEWEST or not all(map(math.isfinite, [*before, *last])):
        return None
    # The middle of the last tenth against that of the tenth before: no one point decides.
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
    """The values of the last tenth of training but one, and of the last: points are even."""
    count = len(values) // 10
    end = len(values)
    return values[end - 2 * count : end - count], values[end - count :]
