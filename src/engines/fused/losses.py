"""Losses of one row of lanes: the value of each output's part, its gradient, and when it is finite.

A loss is Σ over rows and outputs of part · weight, where the weight of a row is 1 / rows (and
/ outputs for a mean over all elements), and 0 for a row that only pads a vector.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from src.engines.fused.activations import softmax
from src.engines.fused.functions import exp, log, log1p
from src.engines.fused.lanes import Lanes, Mask, largest_of, sum_of
from src.engines.trace import BCE_BOUND

Row = list[Lanes]


@dataclass(frozen=True)
class Loss:
    """value: (prediction, target) -> a row's part of the loss, not yet weighted.

    gradient: likewise, of each output, without the factor `scale`. finite: whether the value is,
    without computing it, or None where the value itself is cheap. by_row: a mean over rows, not
    over all elements.
    """

    value: Callable[[Row, Row], Lanes]
    gradient: Callable[[Row, Row], Row]
    finite: Callable[[Row], Mask] | None = None
    by_row: bool = False
    scale: float = 1.0


def _all(masks: list[Mask]) -> Mask:
    return reduce(operator.and_, masks)


def _squares(p: Row, y: Row) -> Lanes:
    return sum_of([(a - b) * (a - b) for a, b in zip(p, y, strict=True)])


def _entropy(p: Lanes, y: Lanes) -> Lanes:
    return -(y * log(p).most(-100.0) + (1.0 - y) * log1p(-p).most(-100.0))


def _log_odds(p: Lanes, y: Lanes) -> Lanes:
    return -(y * log(p / (1.0 - p)) + log(1.0 - p))


def _cross_entropy(z: Row, t: Row) -> Lanes:
    largest = largest_of(z)
    shifted = [value - largest for value in z]
    whole = log(sum_of([exp(value) for value in shifted]))
    return -sum_of([b * (a - whole) for a, b in zip(shifted, t, strict=True)])


def _cross_entropy_gradient(z: Row, t: Row) -> Row:
    whole = sum_of(t)
    return [a * whole - b for a, b in zip(softmax(z), t, strict=True)]


LOSSES = {
    "mse": Loss(
        _squares, lambda p, y: [a - b for a, b in zip(p, y, strict=True)], scale=2.0
    ),
    "bce": Loss(
        lambda p, y: sum_of([_entropy(a, b) for a, b in zip(p, y, strict=True)]),
        lambda p, y: [(a - b) / ((1.0 - a) * a).most(BCE_BOUND) for a, b in zip(p, y, strict=True)],
        lambda p: _all([a.is_finite() for a in p]),
    ),
    "bce_log_odds": Loss(
        lambda p, y: sum_of([_log_odds(a, b) for a, b in zip(p, y, strict=True)]),
        lambda p, y: [(a - b) / ((1.0 - a) * a) for a, b in zip(p, y, strict=True)],
        lambda p: _all([(a > 0.0) & (a < 1.0) for a in p]),
    ),
    "cross_entropy": Loss(
        _cross_entropy, _cross_entropy_gradient, lambda p: _all([a.is_finite() for a in p]), True
    ),
}  # fmt: skip
# What each loss function of src/losses.py is to a kernel.
NAMES = {
    "mse": "mse", "mse_by_hand": "mse", "bce": "bce", "bce_by_hand": "bce",
    "bce_log_odds": "bce_log_odds", "cross_entropy": "cross_entropy",
    "cross_entropy_by_hand": "cross_entropy",
}  # fmt: skip


def is_right(prediction: Row, target: Row) -> Mask:
    """As `accuracy` in src/losses.py: above 0.5 or not, or the place of the largest."""
    if len(prediction) == 1:
        above = [(row[0] > 0.5).where(1.0, 0.0) for row in (prediction, target)]
        return above[0].equals(above[1])
    places = [_largest(row) for row in (prediction, target)]
    return places[0].equals(places[1])


def _largest(row: Row) -> Lanes:
    best, place = row[0], row[0] * 0.0
    for k, value in enumerate(row[1:], start=1):
        is_larger = value > best
        best, place = is_larger.where(value, best), is_larger.where(float(k), place)
    return place
