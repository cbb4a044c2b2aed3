"""A setting's curves as one: the median over its runs at each logged step, and the ends around it.

All runs count at all steps. From where a run diverged on, it is worse than any number: the median
of the others alone would improve with each run that is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from small_nets.stats.distributions import Array
from small_nets.stats.intervals import FEWEST, quantile_places
from small_nets.sweep.results.standard import is_better_high

MIDDLE = 0.8  # of the runs, within a band


@dataclass(frozen=True)
class Band:
    """steps, middle, low, high: (points,); infinite where so many runs are lost."""

    steps: list[int]
    middle: Array
    low: Array
    high: Array


Ends = Callable[[Array], tuple[Array, Array]]


def of_runs(values: Array) -> tuple[Array, Array]:
    """The first and the last tenth of sorted values, (runs, points)."""
    last = len(values) - 1
    tail = (1 - MIDDLE) / 2
    return values[int(tail * last)], values[int(np.ceil((1 - tail) * last))]


def of_median(values: Array) -> tuple[Array, Array]:
    """The interval of the median of sorted values, (runs, points); the median itself of few."""
    if len(values) < FEWEST:
        middle = np.median(values, axis=0)
        return middle, middle
    low, high, _ = quantile_places(len(values))
    return values[low - 1], values[high - 1]


def band_of(curves: pl.DataFrame, lost: list[str], metric: str, ends: Ends = of_runs) -> Band:
    """The band of a metric over the runs whose curves these are.

    curves: run_id, step, metric, of all runs of the setting. lost: the run_ids of those that
    diverged. A run that ended early for another reason stays where it ended.
    """
    known = curves.filter(pl.col(metric).is_not_null())
    # Not polars' pivot, which takes a second for a thousand columns.
    runs, run = np.unique(known["run_id"].to_numpy(), return_inverse=True)
    steps, step = np.unique(known["step"].to_numpy(), return_inverse=True)
    values = np.full((len(runs), len(steps)), np.nan)
    values[run, step] = known[metric].to_numpy()
    worst = -np.inf if is_better_high(metric) else np.inf
    values[run, step] = np.where(np.isfinite(values[run, step]), values[run, step], worst)
    last = np.zeros(len(runs), dtype=int)
    np.maximum.at(last, run, step)
    is_lost = np.isin(runs, np.asarray(lost, dtype=runs.dtype))
    for i, end in enumerate(last):
        values[i, end + 1 :] = worst if is_lost[i] else values[i, end]
    # A run that diverged has a point where it did, which is no logged point of the others.
    ordered = np.sort(values[:, (whole := ~np.isnan(values).any(axis=0))], axis=0)
    if not ordered.size:
        none = np.empty(0)
        return Band([], none, none, none)
    low, high = ends(ordered)
    return Band(steps[whole].tolist(), np.median(ordered, axis=0), low, high)
