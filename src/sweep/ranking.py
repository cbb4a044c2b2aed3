"""The settings of a sweep, ranked by their mean over seeds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

SEEDS = ("seed", "data.split_seed")
DRAWS = 10_000
NUMBERS = 20_000_000  # drawn at most; an interval of 100,000 runs needs no 10,000 draws
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """One setting over its seeds.

    setting: swept key -> value. n: completed runs; mean, sd, median: of the metric over them,
    and low, high: the 95 % percentile bootstrap interval of the mean (Efron, 1979), None for
    fewer than two. diverged, failed: runs without a place in the mean.
    """

    setting: dict[str, object]
    n: int
    mean: float
    sd: float | None
    median: float
    low: float | None
    high: float | None
    diverged: int
    failed: int
    by_seed: dict[object, float]


def metric_of(table: pl.DataFrame) -> str | None:
    """What settings are ranked by: val/loss, or train/loss where a run held nothing out."""
    ended = table.filter(pl.col("status") != "failed")
    known = [m for m in ("val/loss", "train/loss") if m in table.columns]
    whole = [m for m in known if ended[m].is_not_null().all() and len(ended)]
    some = [m for m in known if ended[m].is_not_null().any()]
    return next(iter([*whole, *some]), None)


def bootstrap_mean(values: Array, draws: int = DRAWS) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of values (n,), the same at every call."""
    generator = np.random.default_rng(0)
    draws = min(draws, max(1000, NUMBERS // len(values)))
    means = np.concatenate([
        values[generator.integers(0, len(values), (count, len(values)))].mean(axis=1)
        for count in _blocks(draws, len(values))
    ])  # fmt: skip
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _blocks(draws: int, size: int) -> list[int]:
    # Ten thousand draws of ten thousand runs would be a gigabyte at once.
    most = max(1, min(draws, 4_000_000 // size))
    return [most] * (draws // most) + ([draws % most] if draws % most else [])


def rank(table: pl.DataFrame, swept: Sequence[str], metric: str) -> list[Ranked]:
    """Best first; settings without a completed run last."""
    keys = [key for key in swept if key not in SEEDS]
    groups = table.group_by(keys, maintain_order=True) if keys else [((), table)]
    ranked = []
    for values, runs in groups:
        good = runs.filter((pl.col("status") == "completed") & pl.col(metric).is_finite())
        losses = good[metric].to_numpy().astype(float)
        several = len(losses) > 1
        low, high = bootstrap_mean(losses) if several else (None, None)
        seeds = [s for s in SEEDS if s in table.columns]
        ranked.append(
            Ranked(
                dict(zip(keys, values, strict=True)),
                len(losses),
                float(losses.mean()) if len(losses) else float("nan"),
                float(losses.std(ddof=1)) if several else None,
                float(np.median(losses)) if len(losses) else float("nan"),
                low,
                high,
                len(runs.filter(pl.col("status") == "diverged")),
                len(runs.filter(pl.col("status") == "failed")),
                dict(zip(good.select(seeds).iter_rows(), losses, strict=True)) if seeds else {},
            )
        )
    return sorted(ranked, key=lambda r: (r.n == 0, r.mean))


def compare(best: Ranked, other: Ranked) -> tuple[int, float, float] | None:
    """Seeds that both have, and the 95 % interval of the mean of other - best, seed by seed.

    None where fewer than two seeds are shared. Distinguishable where 0 is outside.
    """
    shared = [seed for seed in best.by_seed if seed in other.by_seed]
    if len(shared) < 2:
        return None
    differences = np.array([other.by_seed[s] - best.by_seed[s] for s in shared])
    return len(shared), *bootstrap_mean(differences)
