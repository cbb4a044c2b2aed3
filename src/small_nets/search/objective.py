"""Computes the objective of a trial from its runs, one for each seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
Ended = Literal["finite", "lost", "stopped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    status: completed, diverged, failed or stopped. value: of the metric, or None. job: its number
    in the sweep. message: why it failed. epochs: how many it was trained.
    """

    status: str
    value: float | None
    job: int | None = None
    message: str | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of a trial.

    - ended: finite, lost (its objective is not finite), stopped (by halving) or failed
    - value: the objective; of a stopped trial that at its rung; ±inf if lost, NaN if failed
    - values: of the runs; None where one is not finite
    - diverged: how many are not finite
    - jobs: the runs' numbers in the sweep
    - message: why it failed
    - epochs: after how many it was stopped
    """

    ended: Ended
    value: float
    values: tuple[float | None, ...]
    diverged: int
    jobs: tuple[int, ...]
    message: str | None = None
    epochs: int | None = None


def judge(outcomes: Sequence[Outcome], objective: str, high: bool) -> Verdict:
    """Judge a trial by the outcomes of its runs. A run that diverged counts as infinitely bad.

    objective: median, mean or bound. high: whether more is better.
    """
    jobs = tuple(o.job for o in outcomes if o.job is not None)
    finite = [None if o.status in ("diverged", "failed") or o.value is None
              or not math.isfinite(o.value) else o.value for o in outcomes]  # fmt: skip
    failed = [o for o in outcomes if o.status == "failed"]
    lost = finite.count(None) - len(failed)
    if failed:
        message = failed[0].message or "a run failed"
        return Verdict("failed", math.nan, tuple(finite), lost, jobs, message)
    worst = -math.inf if high else math.inf
    value = over_seeds([worst if v is None else v for v in finite], objective, high)
    ended: Ended = "finite" if math.isfinite(value) else "lost"
    stopped = [o.epochs for o in outcomes if o.status == "stopped"]
    if stopped and ended == "finite":
        return Verdict("stopped", value, tuple(finite), lost, jobs, epochs=stopped[0])
    return Verdict(ended, value, tuple(finite), lost, jobs)


def over_seeds(values: Sequence[float], objective: str, high: bool) -> float:
    """The objective of a trial. values: one for each seed; ±inf for the worst possible."""
    if objective == "median":
        return float(np.median(values))
    mean = float(np.mean(values))
    if objective == "mean" or not math.isfinite(mean):
        return mean
    wide = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - wide if high else mean + wide


def objective_text(metric: str, objective: str, seeds: int) -> str:
    """The objective in words."""
    how = "worse end of the 95 % interval of the mean" if objective == "bound" else objective
    return f"{how} {metric} over {seeds} seeds" if seeds > 1 else metric


@cache  # of a report's many settings
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The value below which |t| stays with a probability of `confidence`. freedom: ν.

    SciPy has this function, but takes a second to import. With t = √ν tan θ, the density of θ is
    cos θ to the power ν - 1, on a finite range.
    """
    angle = np.linspace(0, math.pi / 2, 100_001)
    density = np.cos(angle) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    at = np.interp(confidence, mass / mass[-1], angle)
    return math.sqrt(freedom) * math.tan(float(at))
