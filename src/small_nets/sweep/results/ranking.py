"""The settings of a sweep, ranked by their mean over seeds. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from small_nets.config.components import METRICS
from small_nets.nn.early_stopping import losses_in
from small_nets.sweep.jobs.grid import SEEDS
from small_nets.sweep.results.bootstrap import Array, bootstrap_means
from small_nets.sweep.store.columns import cell

TYPED = " typed"  # no key's name
Setting = tuple[Any, ...]


@dataclass(frozen=True)
class Ranked:
    """One setting over its seeds.

    setting: swept key -> value as its column holds it, or as it was typed, where it cannot. n:
    completed runs; mean, sd, median: of the metric over them,
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
    known = losses_in(table.columns)
    whole = [m for m in known if len(ended) and not ended[m].null_count()]
    some = [m for m in known if ended[m].null_count() < len(ended)]
    return next(iter([*whole, *some]), None)


def is_better_high(metric: str) -> bool:
    """Whether more of it is better."""
    words = metric.removeprefix("best/").split("/", 2)  # val/r2/TARGET: any name may come last
    name = words[1 if words[0] in ("train", "val") and len(words) > 1 else 0]
    return name == "r2" or (name in METRICS and METRICS[name].is_better_high)


def has_finite(metric: str) -> pl.Expr:
    """Of the runs that count in a ranking: completed, with a finite metric."""
    return (pl.col("status") == "completed") & pl.col(metric).is_finite()


def counted_in(setting: Ranked, metric: str) -> pl.Expr:
    """Of the runs of a setting, those that count in its ranking."""
    wanted = has_finite(metric)
    for key, value in setting.setting.items():
        wanted &= pl.col(key).eq_missing(pl.lit(value))
    return wanted


def band(values: pl.Expr, name: str = "") -> list[pl.Expr]:
    """The median, the first and the last tenth, as `name` with middle, low and high behind it."""
    return [values.median().alias(f"{name}middle"), values.quantile(0.1).alias(f"{name}low"),
            values.quantile(0.9).alias(f"{name}high")]  # fmt: skip


def setting_text(setting: Mapping[str, object]) -> str:
    """Keys with their values as they are typed; those without a value are left out."""
    return " ".join(f"{key}={cell(value)}" for key, value in setting.items() if value is not None)


def settings_of(table: pl.DataFrame, keys: Sequence[str]) -> list[Setting]:
    """The setting of each row: the values of these keys, as `Ranked` has them.

    A run that failed may have been given what no column of its key holds. It is of a setting of
    its own then.
    """
    rows: list[Setting] = list(table.select(keys).iter_rows()) if keys else [()] * len(table)
    typed = _typed(table, keys)
    for place in typed.is_not_null().arg_true():
        words = json.loads(typed[place])
        rows[place] = tuple(words.get(k, v) for k, v in zip(keys, rows[place], strict=True))
    return rows


def _typed(table: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """What was typed for these keys and no column holds, as JSON; null where there is nothing."""
    none = pl.Series(TYPED, [None], dtype=pl.String).new_from_index(0, len(table))
    if "typed" not in table.columns or table["typed"].is_null().all():
        return none
    found = []
    for text in table["typed"]:
        words = {k: w for k, w in json.loads(text or "{}").items() if k in keys}
        found.append(json.dumps(words) if words else None)
    return pl.Series(TYPED, found, dtype=pl.String)


def rank(table: pl.DataFrame, swept: Sequence[str], metric: str) -> list[Ranked]:
    """Best first. Last, the longest trained first, those that halving stopped (of which some runs
    may have come to an end by themselves, or before) or without a completed run.
    """
    keys = [key for key in swept if key not in SEEDS]
    seeds = [key for key in SEEDS if key in table.columns]
    good = has_finite(metric)
    found = [
        *(pl.col(name).filter(good).alias(f"good {name}") for name in (metric, "job", *seeds)),
        *((pl.col("status") == status).sum().alias(status) for status in ("diverged", "failed")),
        *(pl.col(name).filter(pl.col("status") == "stopped").max().alias(f"stopped {name}")
          for name in ("epochs", "stopped_rank") if "stopped_rank" in table.columns),
    ]  # fmt: skip
    # One pass over all settings: a filter for each of ten thousand takes ten seconds.
    groups = table.with_columns(_typed(table, keys)).group_by([*keys, TYPED], maintain_order=True)
    groups = groups.agg(found)
    settings = settings_of(groups.rename({TYPED: "typed"}), keys)
    rows = list(groups.iter_rows(named=True))
    losses = [np.asarray(row[f"good {metric}"], dtype=float) for row in rows]
    intervals = _intervals(losses)
    sign = -1 if is_better_high(metric) else 1
    ranked = []
    for row, setting, values, (low, high) in zip(rows, settings, losses, intervals, strict=True):
        n = len(values)
        epoch, stop = row.get("stopped epochs"), row.get("stopped stopped_rank")
        drawn = zip(*(row[f"good {seed}"] for seed in seeds), strict=True)
        ranked.append(
            Ranked(
                dict(zip(keys, setting, strict=True)),
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
                None if epoch is None or stop is None else (epoch, stop),
            )
        )

    def place(r: Ranked) -> tuple[float, ...]:
        epoch, place = r.stopped or (0, 0)
        return (1, -epoch, place) if r.n == 0 or r.stopped else (0, sign * r.mean)

    return sorted(ranked, key=place)


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
