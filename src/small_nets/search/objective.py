"""Computes the objective of a trial from its runs, one for each seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from small_nets.sweep.results.standard import Standard

Ended = Literal["finite", "lost", "stopped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    status: completed, diverged, failed or stopped. value: of the metric, or None. job: its number
    in the sweep. message: why it failed. epochs: how many it was trained. succeeded: None where
    that was not asked for.
    """

    status: str
    value: float | None
    job: int | None = None
    message: str | None = None
    epochs: int | None = None
    succeeded: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of a trial.

    - ended: finite, lost (its objective is not finite), stopped (by halving) or failed (each run)
    - value: the objective; of a stopped trial that at its rung; ±inf if lost, NaN if failed
    - values: of the runs; None where one is not finite
    - diverged: how many are not finite, failed ones included
    - jobs: the runs' numbers in the sweep
    - message: why the first one failed
    - epochs: after how many it was stopped
    """

    ended: Ended
    value: float
    values: tuple[float | None, ...]
    diverged: int
    jobs: tuple[int, ...]
    message: str | None = None
    epochs: int | None = None


def judge(outcomes: Sequence[Outcome], standard: Standard, folds: int = 1) -> Verdict:
    """Judge a trial by the outcomes of its runs, as a ranking does.

    A run that diverged or failed is worse than any number. folds: of each seed, whose runs follow
    one another.
    """
    jobs = tuple(o.job for o in outcomes if o.job is not None)
    outcomes = [_seed(outcomes[i : i + folds]) for i in range(0, len(outcomes), folds)]
    finite = [None if o.status in ("diverged", "failed") or o.value is None
              or not math.isfinite(o.value) else o.value for o in outcomes]  # fmt: skip
    failed = [o for o in outcomes if o.status == "failed"]
    lost = finite.count(None)
    message = (failed[0].message or "a run failed") if failed else None
    if len(failed) == len(outcomes):
        return Verdict("failed", math.nan, tuple(finite), lost, jobs, message)
    values = np.array([standard.worst if v is None else v for v in finite])
    value = standard.worth(values, sum(bool(o.succeeded) for o in outcomes))
    ended: Ended = "finite" if math.isfinite(value) else "lost"
    stopped = [o.epochs for o in outcomes if o.status == "stopped"]
    if stopped and ended == "finite":
        return Verdict("stopped", value, tuple(finite), lost, jobs, message, stopped[0])
    return Verdict(ended, value, tuple(finite), lost, jobs, message)


def _seed(folds: Sequence[Outcome]) -> Outcome:
    """The outcome of one seed: the mean over its folds, or the first fold that is lost."""
    lost = [o for status in ("failed", "diverged") for o in folds if o.status == status]
    if lost or len(folds) == 1:
        return [*lost, *folds][0]
    values = [math.nan if o.value is None else o.value for o in folds]
    stopped = next((o for o in folds if o.status == "stopped"), folds[0])
    return replace(stopped, value=sum(values) / len(values),
                   succeeded=all(o.succeeded for o in folds))  # fmt: skip
