"""Successive halving (Jamieson and Talwalkar, 2016): when runs stop, and which settings.

Runs are compared where all of them have come to a rung, a number of epochs; those whose settings
rank too low there stop, and the others go on.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any

import polars as pl

from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.sweep.jobs.grid import SEEDS
from small_nets.sweep.results.ranking import Setting, is_better_high, metric_of, settings_of
from small_nets.sweep.store.store import Store

IS_COMPLETED = pl.col("status") == "completed"


@dataclass(frozen=True)
class Halving:
    """`sweep.halving`: at each rung one of `factor` settings goes on. first: epochs of a rung."""

    factor: float = 3
    first: int = 100


@dataclass(frozen=True)
class Ranks:
    """of: the place of every setting, 1 for the best, in that order. count: how many go on."""

    of: dict[Any, int]
    count: int

    @property
    def going(self) -> list[Any]:
        """Those who go on, the best first."""
        return list(self.of)[: self.count]


def rungs(first: int, factor: float, epochs: int) -> list[int]:
    """The epochs below `epochs` at which runs are compared: each `factor` times the one before.

    Whole numbers, rounded up, so that each is more than the one before.
    """
    found: list[int] = []
    at = first
    while at < epochs:
        found.append(at)
        at = math.ceil(at * _exactly(factor))
    return found


def survivors(
    values: Mapping[Any, Sequence[float]], factor: float, higher_is_better: bool
) -> Ranks:
    """Rank settings by the median of a metric over their seeds; one of `factor` goes on.

    values: of the runs of each setting; one that is not finite diverged, and is the worst there
    is. Of settings that are equal, the one given first is ahead. At least one goes on.
    """
    ahead = sorted(values, key=lambda setting: _median(values[setting], higher_is_better))
    return Ranks(
        {setting: place for place, setting in enumerate(ahead, 1)},
        math.ceil(len(ahead) / _exactly(factor)),
    )


def _median(values: Sequence[float], higher_is_better: bool) -> float:
    """The less, the better; of no runs the worst."""
    sign = -1 if higher_is_better else 1
    return median([sign * v if math.isfinite(v) else math.inf for v in values] or [math.inf])


def _exactly(factor: float) -> Fraction:
    """As it was typed: 100 * 1.1 is 110.00000000000001, and would be rounded up to 111."""
    return Fraction(repr(factor))


def check_halving(halving: Mapping[str, Any] | None, max_epochs: int) -> None:
    """Raises InputError where every run ends before the first rung.

    halving: a value that `sweep.halving` may have.
    """
    if halving is None or Halving(**halving).first < max_epochs:
        return
    found = Halving(**halving)
    sooner = {"factor": found.factor, "first": max(math.ceil(max_epochs / 10), 1)}
    instead = "null" if max_epochs < 2 else f"'{show(sooner)}'"
    raise InputError(
        f"sweep.halving={show(dict(halving))} stops runs for the first time after {found.first} "
        f"epochs, but trainer.max_epochs={max_epochs}: all have ended by then.\n"
        f"Allowed: first below trainer.max_epochs\nFix: sweep.halving={instead}"
    )


def check_batches(halving: Mapping[str, Any] | None, max_batch_size: int | None) -> None:
    """Raises InputError where a halved sweep would come in batches: each would be halved alone."""
    if halving is not None and max_batch_size is not None:
        raise InputError(
            "sweep.halving compares all settings of a sweep, and hydra.sweeper.max_batch_size="
            f"{max_batch_size} would cut it into batches.\nFix: without hydra.sweeper."
            "max_batch_size (a sweep is cut into parts by itself)"
        )


@dataclass(frozen=True)
class Verdict:
    """ranks: of the settings that could go on. ended: rows of the runs that do not, as stored."""

    ranks: Ranks
    ended: pl.DataFrame


class SuccessiveHalving:
    """Halves the settings of a command's runs, rung by rung, from the first on.

    Each decision is made of all runs of a setting, whenever they were trained: one that ended
    before the rung counts with what it reached, or as the worst there is where it diverged or
    failed; one that is stored to its end counts with the last point it logged up to the rung, and
    stays whole even if its setting now stops. So a command that adds seeds or settings decides as
    one that had them all along. Settings that have come to their end take no place.

    store: the sweep's. ids: the runs of the command. metric: to rank by; None for the loss.
    """

    def __init__(
        self, store: Store, ids: Collection[str], halving: Halving, metric: str | None
    ) -> None:
        self.store, self.ids, self.halving, self.metric = store, list(ids), halving, metric
        self.keys = [key for key in store.swept if key not in SEEDS]
        self.out: set[Setting] = set()  # settings that stopped at an earlier rung
        self.since = 0  # epochs, at that rung
        rows = store.read()
        ended = pl.col("run_id").is_in(self.ids) & pl.col("status").is_in(["completed", "diverged"])
        self.elsewhere = rows.filter(ended)  # runs that have ended, and are in no rung
        self.final = set(self.elsewhere["run_id"])  # and stay as they are stored
        if len(self.elsewhere):  # what goes alone is no part of this
            self.elsewhere = self.elsewhere.filter(pl.col("engine") != "lightning")

    def decide(self, rung: Store, epoch: int) -> Verdict:
        """Who stops at a rung; its store holds what this command's runs have reached there."""
        here = self._in(rung.read().filter(pl.col("run_id").is_in(self.ids)))
        if not len(here):
            return Verdict(Ranks({}, 0), here)
        others = self._in(self.elsewhere.filter(~pl.col("run_id").is_in(list(here["run_id"]))))
        metric = self.metric or metric_of(_both(here, others)) or "train/loss"
        reached = (IS_COMPLETED & (pl.col("epochs") == epoch)).fill_null(value=False)
        here = here.with_columns(
            reached.alias("goes_on"), (reached | ~IS_COMPLETED).alias("competes")
        )
        judged = _both(_valued(here, metric), self._past(others, metric, epoch)).sort("job")
        values: dict[Setting, list[float]] = {}
        for setting, value in zip(settings_of(judged, self.keys), judged["value"], strict=True):
            values.setdefault(setting, []).append(value)
        competing = set(settings_of(judged.filter("competes"), self.keys))
        ranks = survivors(
            {setting: some for setting, some in values.items() if setting in competing},
            self.halving.factor, is_better_high(metric),
        )  # fmt: skip
        self.out |= competing - set(ranks.going)
        self.since = epoch
        ended = self._ended(here, ranks)
        self.elsewhere = _both(self.elsewhere, ended.filter(pl.col("status") != "stopped"))
        return Verdict(ranks, ended)

    def _in(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of settings that have not stopped yet."""
        if not len(table):
            return table
        return table.filter([setting not in self.out for setting in settings_of(table, self.keys)])

    def _past(self, others: pl.DataFrame, metric: str, epoch: int) -> pl.DataFrame:
        """Ended runs with what they had reached by an epoch."""
        if not len(others):
            return others
        is_further = pl.col("epochs") > epoch
        was_here = is_further | (~IS_COMPLETED & (pl.col("epochs") >= self.since)).fill_null(False)
        others = _valued(
            others.with_columns(is_further.alias("goes_on"), was_here.alias("competes")), metric
        )
        further = others.filter("goes_on")
        last = (pl.col("steps") * epoch / pl.col("epochs")).alias("last")
        points = (
            self.store.curves(list(further["run_id"]), ["step", metric])
            .join(further.select("run_id", last), on="run_id")
            .filter(pl.col("step") <= pl.col("last"), pl.col(metric).is_not_null())
            .sort("step").group_by("run_id").agg(pl.col(metric).last().alias("then"))
        )  # fmt: skip
        joined = others.join(points, on="run_id", how="left")
        value = pl.when("goes_on").then(pl.col("then").fill_null(float("nan"))).otherwise("value")
        return joined.with_columns(value.alias("value"))

    def _ended(self, here: pl.DataFrame, ranks: Ranks) -> pl.DataFrame:
        """Rows of the runs that do not go on; those that halving stops, marked so."""
        settings = settings_of(here, self.keys)
        out = pl.Series([setting in self.out for setting in settings], dtype=pl.Boolean)
        rank = pl.Series([ranks.of.get(setting) for setting in settings], dtype=pl.Int64)
        stops = here["goes_on"] & out
        marked = here.with_columns(
            pl.when(stops).then(pl.lit("stopped")).otherwise(pl.col("status")).alias("status"),
            pl.when(stops).then(rank).alias("stopped_rank"),
        )
        return marked.filter(stops | ~here["goes_on"]).drop("goes_on", "competes")


def _both(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([t for t in (one, other) if len(t)] or [one], how="diagonal_relaxed")


def _valued(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """With `value`: the metric, NaN where a run has none to be proud of."""
    known = pl.col(metric) if metric in table.columns else pl.lit(None, dtype=pl.Float64)
    value = pl.when(IS_COMPLETED).then(known).fill_null(float("nan"))
    return table.with_columns(value.alias("value"))
