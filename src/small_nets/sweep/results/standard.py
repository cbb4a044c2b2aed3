"""What makes one setting better than another.

It is asked by all that compare settings: the ranking, a search, halving, the page, the tables,
TensorBoard and the pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from small_nets.config.components import METRICS
from small_nets.config.success_rule import Rule, quantile_of
from small_nets.nn.early_stopping import losses_in
from small_nets.stats import summary
from small_nets.stats.distributions import Array
from small_nets.sweep.results.race import Race

ENDED = ("completed", "diverged", "failed")  # a run that halving stopped has no end


@dataclass(frozen=True)
class Standard:
    """How the runs of a setting become the one number that settings are compared by.

    metric: of a run. by: the summary of a setting's runs: median, mean, success, quantile:Q, or
    bound (the worse end of the mean's interval, which only a search has). rule: what success is;
    None for a loss below the constant predictor's. seeds: of each setting of a search, else 0.
    race: by this metric and summary; None where each setting has the seeds that were typed.
    """

    metric: str
    by: str = "median"
    rule: Rule | None = None
    seeds: int = 0
    race: Race | None = None

    @property
    def is_metric_high(self) -> bool:
        """Whether more of the metric is better."""
        return is_better_high(self.metric)

    @property
    def is_high(self) -> bool:
        """Whether more of the number that settings are compared by is better."""
        return self.by == "success" or self.is_metric_high

    @property
    def worst(self) -> float:
        """The metric of a run that diverged or failed: worse than any number."""
        return -math.inf if self.is_metric_high else math.inf

    def value(self) -> pl.Expr:
        """The metric of each row of a runs table; `worst` for a lost run, null for no outcome."""
        metric, status = pl.col(self.metric), pl.col("status")
        lost = (status == "completed") & ~metric.is_finite() | status.is_in(["diverged", "failed"])
        found = pl.when(lost.fill_null(value=False)).then(pl.lit(self.worst)).otherwise(metric)
        return pl.when(status.is_in(ENDED)).then(found)

    def worth(self, values: Array, succeeded: int | None = None) -> float:
        """The number for these values, (runs,), of which one or more are there.

        succeeded: how many of the runs did. Infinite where it is worse than any number.
        """
        if self.by == "success":
            return math.nan if succeeded is None else succeeded / len(values)
        if self.by == "bound":
            return summary.bound(values, self.is_metric_high)
        return float(self.worths(values))

    def worths(self, values: Array) -> Array:
        """The same of many settings, (..., runs), all of whose runs are there; (...).

        Of success the values are 1 for a run that did and 0 for another. Not of a bound.
        """
        if self.by == "median":
            return summary.median(values)
        if self.by in ("mean", "success"):
            return summary.mean(values)
        return summary.quantile(values, self.quantile)

    @property
    def quantile(self) -> float:
        """The quantile that settings are compared by; 0.5 for the median."""
        share = 0.5 if self.by == "median" else quantile_of(self.by)
        assert share is not None, f"{self.by} is no quantile"
        return share

    def order(self, values: Array, succeeded: int | None = None) -> tuple[float, ...]:
        """What settings are sorted by, the best first. Equal shares of success by the median."""
        worth = self.worth(values, succeeded)
        if math.isnan(worth):
            return (1, 0.0)
        middle = float(summary.median(values)) if self.by == "success" else 0.0
        return (0, -worth if self.is_high else worth, -middle if self.is_metric_high else middle)

    def order_of_scores(self, scores: Array) -> tuple[float, ...]:
        """The same of the numbers that settings are compared by, seed by seed; less is better."""
        if self.by == "success":  # of one minus success
            return (0, float(scores.mean()), 0.0)
        return self.order(-scores if self.is_metric_high else scores)

    def stored(self) -> dict[str, Any]:
        """What a sweep's file keeps of it."""
        race = None if self.race is None else asdict(self.race)
        return {"rank_by": self.by, "success": str(self.rule or ""), "race": race}

    @property
    def text(self) -> str:
        """The number in words."""
        many = f" over {self.seeds} seeds" if self.seeds > 1 else ""
        if self.by == "success":
            return f"share of runs that succeeded{many}"
        if self.seeds == 1:
            return self.metric
        share = quantile_of(self.by)
        how = f"{share:.0%} quantile of" if share is not None else self.by
        if self.by == "bound":
            how = "worse end of the 95 % interval of the mean"
        return f"{how} {self.metric}{many}"

    @property
    def rule_text(self) -> str:
        """What success is, in words."""
        if self.rule is None:
            return "a loss below the constant predictor's"
        return str(self.rule)


def has_finite(metric: str) -> pl.Expr:
    """The runs that completed with a finite metric."""
    return (pl.col("status") == "completed") & pl.col(metric).is_finite()


def is_better_high(metric: str) -> bool:
    """Whether more of it is better."""
    words = metric.removeprefix("best/").split("/", 2)  # val/r2/TARGET: any name may come last
    name = words[1 if words[0] in ("train", "val", "test") and len(words) > 1 else 0]
    return name == "r2" or (name in METRICS and METRICS[name].is_better_high)


def metric_of(table: pl.DataFrame) -> str | None:
    """What settings are ranked by: val/loss, or train/loss where a run held nothing out."""
    ended = table.filter(pl.col("status") != "failed")
    known = losses_in(table.columns)
    whole = [m for m in known if len(ended) and not ended[m].null_count()]
    some = [m for m in known if ended[m].null_count() < len(ended)]
    return next(iter([*whole, *some]), None)


def as_array(values: Sequence[float]) -> Array:
    """The values as float64, (n,)."""
    return np.asarray(values, dtype=float)
