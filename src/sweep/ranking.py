"""The settings of a sweep, ranked by their mean over seeds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from src.sweep.bootstrap import Array, bootstrap_means

SEEDS = ("seed", "data.split_seed")


@dataclass(frozen=True)
class Ranked:
    """One setting over its seeds.

    setting: swept key -> value. n: completed runs; mean, sd, median: of the metric over them,
    and low, high: the 95 % bootstrap interval of the mean, None for fewer than two. diverged,
    failed: runs without a place in the mean. best_job: the completed run with the best value.
    stopped: of a setting that halving stopped, the last epoch, and its place among all then.
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
    best_job: int | None
    stopped: tuple[int, int] | None = None

    @property
    def ended(self) -> str:
        """Where halving stopped it, in words."""
        return "" if self.stopped is None else "epoch {:,}, place {:,}".format(*self.stopped)


def metric_of(table: pl.DataFrame) -> str | None:
    """What settings are ranked by: val/loss, or train/loss where a run held nothing out."""
    ended = table.filter(pl.col("status") != "failed")
    known = [m for m in ("val/loss", "train/loss") if m in table.columns]
    whole = [m for m in known if ended[m].is_not_null().all() and len(ended)]
    some = [m for m in known if ended[m].is_not_null().any()]
    return next(iter([*whole, *some]), None)


def is_better_high(metric: str) -> bool:
    """Whether more of it is better."""
    return metric.rpartition("/")[2] in ("accuracy", "r2")


def rank(table: pl.DataFrame, swept: Sequence[str], metric: str) -> list[Ranked]:
    """Best first. Last, the longest trained first, those that halving stopped (of which some runs
    may have come to an end by themselves, or before) or without a completed run.
    """
    keys = [key for key in swept if key not in SEEDS]
    seeds = [key for key in SEEDS if key in table.columns]
    good = (pl.col("status") == "completed") & pl.col(metric).is_finite()
    found = [
        *(pl.col(name).filter(good).alias(f"good {name}") for name in (metric, "job", *seeds)),
        *((pl.col("status") == status).sum().alias(status) for status in ("diverged", "failed")),
        *(pl.col(name).filter(pl.col("status") == "stopped").max().alias(f"stopped {name}")
          for name in ("epochs", "stopped_rank") if "stopped_rank" in table.columns),
    ]  # fmt: skip
    # One pass over all settings: a filter for each of ten thousand takes ten seconds.
    groups = (table.group_by(keys, maintain_order=True).agg(found) if keys
              else table.select(e.implode() if i < len(seeds) + 2 else e
                                for i, e in enumerate(found)))  # fmt: skip
    rows = list(groups.iter_rows(named=True))
    losses = [np.asarray(row[f"good {metric}"], dtype=float) for row in rows]
    intervals = _intervals(losses)
    sign = -1 if is_better_high(metric) else 1
    ranked = []
    for row, values, (low, high) in zip(rows, losses, intervals, strict=True):
        n = len(values)
        drawn = zip(*(row[f"good {seed}"] for seed in seeds), strict=True)
        ranked.append(
            Ranked(
                {key: row[key] for key in keys},
                n,
                float(values.mean()) if n else float("nan"),
                float(values.std(ddof=1)) if n > 1 else None,
                float(np.median(values)) if n else float("nan"),
                low,
                high,
                row["diverged"],
                row["failed"],
                dict(zip(drawn, values.tolist(), strict=True)) if seeds else {},
                row["good job"][int((sign * values).argmin())] if n else None,
                _stopped(row),
            )
        )
    return sorted(
        ranked, key=lambda r: (True, *_worth(r)) if _is_last(r) else (False, sign * r.mean)
    )


def _stopped(row: Mapping[str, Any]) -> tuple[int, int] | None:
    epoch, rank = row.get("stopped epochs"), row.get("stopped stopped_rank")
    return None if epoch is None or rank is None else (epoch, rank)


def _is_last(ranked: Ranked) -> bool:
    return ranked.n == 0 or ranked.stopped is not None


def _worth(ranked: Ranked) -> tuple[float, float]:
    """Of a setting that is no whole one: the less, the better."""
    epoch, rank = ranked.stopped or (0, 0)
    return -epoch, rank


def _intervals(samples: Sequence[Array]) -> list[tuple[float | None, float | None]]:
    """The interval of each sample's mean; samples of one size together. None below two."""
    found: list[tuple[float | None, float | None]] = [(None, None)] * len(samples)
    for size in {len(s) for s in samples if len(s) > 1}:
        places = [i for i, s in enumerate(samples) if len(s) == size]
        low, high = bootstrap_means(np.stack([samples[i] for i in places], axis=1))
        for i, ends in zip(places, zip(low.tolist(), high.tolist(), strict=True), strict=True):
            found[i] = ends
    return found


def compare(best: Ranked, others: Sequence[Ranked]) -> list[tuple[int, float, float] | None]:
    """Of each other: the seeds it shares, and the 95 % interval of the mean of other - best.

    Seed by seed. None where fewer than two seeds are shared. Distinguishable where 0 is outside.
    """
    samples = []
    for other in others:
        shared = [seed for seed in best.by_seed if seed in other.by_seed]
        samples.append(np.array([other.by_seed[s] - best.by_seed[s] for s in shared]))
    return [
        None if low is None or high is None else (len(sample), low, high)
        for sample, (low, high) in zip(samples, _intervals(samples), strict=True)
    ]


def is_clear(found: tuple[int, float, float]) -> bool:
    """Whether a difference that `compare` found has one sign over its whole interval."""
    return found[1] > 0 or found[2] < 0


def is_alike(found: tuple[int, float, float] | None, first: bool) -> bool | None:
    """Whether a setting cannot be told from the best; None where nothing can be said.

    found: what `compare` found. first: whether it is the best itself.
    """
    return first or (None if found is None else not is_clear(found))
