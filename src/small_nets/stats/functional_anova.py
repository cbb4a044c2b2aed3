"""Functional analysis of variance of a full grid: what each factor and each pair does to a number.

Over a full grid every function is the sum of a mean, a part of each factor, a part of each pair
and so on, which are orthogonal, so that their variances add up to that of the function (Hoeffding,
1948; Hutter, Hoos and Leyton-Brown, 2014, estimate the same from a forest, where the grid is not
full). Each cell counts alike.

The number of a cell is measured over seeds, and chance makes a part of every effect: the expected
square of a measured effect is that of the true one plus its sampling variance. That is read from a
bootstrap over seeds (Efron and Tibshirani, 1993) and taken off.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from small_nets.stats.distributions import Array, normal_quantile, t_quantile

LEVEL = 0.05  # of each effect: how often one that is none is told from chance
Axes = tuple[int, ...]


@dataclass(frozen=True)
class Effect:
    """A factor, or several together. axes: which. share: of the whole variance, without chance.

    is_told: whether it is more than chance, where that can be said. The axes of the part that three
    or more factors have together, beyond their pairs, are ().
    """

    axes: Axes
    share: float
    is_told: bool | None


@dataclass(frozen=True)
class Importance:
    """The effects, the largest first. chance: the share that the seeds explain, None if unknown.

    The shares of all effects and that of chance add up to 1.
    """

    effects: tuple[Effect, ...]
    chance: float | None


def parts(values: Array, factors: int) -> Iterator[tuple[Axes, Array]]:
    """The axes and the part of each factor, of each pair, and of all the rest, whose axes are ().

    values: (..., levels of each factor), the last `factors` axes; each part broadcasts against it.
    """
    axes = range(-factors, 0)
    rest = values - values.mean(axis=tuple(axes), keepdims=True)
    whole, single = rest, {}
    for axis in axes:
        others = tuple(a for a in axes if a != axis)
        single[axis] = whole.mean(axis=others, keepdims=True) if others else whole
        rest = rest - single[axis]
        yield (axis + factors,), single[axis]
    for one, two in itertools.combinations(axes, 2):
        others = tuple(a for a in axes if a not in (one, two))
        both = whole.mean(axis=others, keepdims=True) if others else whole
        pair = both - single[one] - single[two]
        rest = rest - pair
        yield (one + factors, two + factors), pair
    if factors > 2:
        yield (), rest


def importance(values: Array, replicates: Array | None = None, seeds: int = 0) -> Importance | None:
    """The shares in the variance of the values; None where they are all equal.

    values: (levels of each factor), finite. replicates: (draws, levels of each factor), the values
    of bootstrap samples of the `seeds` seeds, which all cells share; None where chance is unknown.

    An effect is told from chance where its mean square is above that of 95 % of the replicates'
    deviations from it. These are widened by s / (s - 1), for a bootstrap of s seeds has so much
    less variance, and by the square of t's quantile over the normal one.
    """
    factors = values.ndim
    whole = float(values.var())
    if whole <= 1e-24 * float(np.abs(values).max()) ** 2:
        return None
    axes_of = tuple(range(-factors, 0))
    squares = {axes: (part, float((part**2).mean())) for axes, part in parts(values, factors)}
    if replicates is None:
        found = [Effect(axes, square / whole, None) for axes, (_, square) in squares.items()]
        return Importance(tuple(sorted(found, key=lambda e: -e.share)), None)
    wider = seeds / (seeds - 1)
    tail = (t_quantile(seeds - 1) / normal_quantile()) ** 2
    found = []
    for axes, drawn in parts(replicates, factors):
        part, square = squares[axes]
        noise = float(((drawn - drawn.mean(axis=0)) ** 2).mean()) * wider
        away = ((drawn - part) ** 2).mean(axis=axes_of) * wider * tail
        is_told = square > float(np.quantile(away, 1 - LEVEL))
        found.append(Effect(axes, max(square - noise, 0.0) / whole, is_told))
    chance = 1 - sum(effect.share for effect in found)
    return Importance(tuple(sorted(found, key=lambda e: -e.share)), max(chance, 0.0))
