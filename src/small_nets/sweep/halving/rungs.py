"""Successive halving (Jamieson and Talwalkar, 2016): which settings stop, and when.

Runs are compared when all of them have reached a rung, which is a number of epochs. Those whose
setting ranks too low stop there. The others go on.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl

from small_nets.config.success_rule import BELOW
from small_nets.sweep.jobs.grid import IN_A_SETTING
from small_nets.sweep.results.folds import seeds_of
from small_nets.sweep.results.ranking import Setting, settings_of
from small_nets.sweep.results.standard import Standard, metric_of
from small_nets.sweep.results.success import CONSTANT
from small_nets.sweep.store.store import Store

IS_COMPLETED = pl.col("status") == "completed"


@dataclass(frozen=True)
class Halving:
    """The value of `sweep.halving`: at each rung, one of `factor` settings goes on.

    first: the epoch of the first rung.
    """

    factor: float = 3
    first: int = 100


@dataclass(frozen=True)
class Ranks:
    """The ranking at a rung. of: setting -> place, from 1, best first. count: how many go on."""

    of: dict[Any, int]
    count: int

    @property
    def going(self) -> list[Any]:
        """The settings that go on, best first."""
        return list(self.of)[: self.count]


def rungs(first: int, factor: float, epochs: int) -> list[int]:
    """The epochs below `epochs` at which runs are compared.

    Each is `factor` times the one before, rounded up, so that they always grow.
    """
    found: list[int] = []
    at = first
    while at < epochs:
        found.append(at)
        at = math.ceil(at * _exactly(factor))
    return found


def survivors(
    values: Mapping[Any, Sequence[float]], factor: float, standard: Standard,
    succeeded: Mapping[Any, int] | None = None,
) -> Ranks:  # fmt: skip
    """Rank settings by the standard. One of `factor` goes on, at least one.

    values: setting -> the metric of its runs; what is not finite is worse than any number.
    succeeded: setting -> how many of its runs have. Of equal settings the one given first is ahead.
    """

    def order(setting: Any) -> tuple[float, ...]:
        some = np.array(values[setting] or [np.nan], dtype=float)
        some[~np.isfinite(some)] = standard.worst
        return standard.order(some, None if succeeded is None else succeeded[setting])

    ahead = sorted(values, key=order)
    return Ranks(
        {setting: place for place, setting in enumerate(ahead, 1)},
        math.ceil(len(ahead) / _exactly(factor)),
    )


def _exactly(factor: float) -> Fraction:
    """The factor as it was typed. In floats 100 * 1.1 exceeds 110, and rounds up to 111."""
    return Fraction(repr(factor))


@dataclass(frozen=True)
class Verdict:
    """A decision at a rung.

    ranks: the settings that competed. ended: the rows of the runs that do not go on, as they are
    to be stored.
    """

    ranks: Ranks
    ended: pl.DataFrame


class SuccessiveHalving:
    """Halves the settings of a command's runs, rung by rung, from the first rung on.

    A decision counts all runs of a setting, whenever they were trained, so that a command that
    adds seeds or settings decides as one that had them all along:

    - A run that ended before the rung counts with what it reached.
    - A run that diverged or failed counts as the worst.
    - A run that was stored earlier, trained to its end, counts with the last point that it logged
      up to the rung. It stays as it is even where its setting stops now.

    Settings whose training ends before the rung take no place in the ranking.

    store: the sweep's. ids: the run_ids of the command. standard: ranks the settings; its metric is
    "" for the loss. By success, they are ranked by the runs whose rule holds at the rung.
    """

    def __init__(
        self, store: Store, ids: Collection[str], halving: Halving, standard: Standard
    ) -> None:
        self.store, self.ids, self.halving, self.standard = store, list(ids), halving, standard
        self.keys = [key for key in store.swept if key not in IN_A_SETTING]
        self.out: set[Setting] = set()  # settings that stopped at an earlier rung
        self.since = 0  # the epoch of that rung
        rows = store.read()
        ended = pl.col("run_id").is_in(self.ids) & pl.col("status").is_in(["completed", "diverged"])
        self.elsewhere = rows.filter(ended)  # runs that have ended, and are in no rung
        self.final = set(self.elsewhere["run_id"])  # these stay as they are stored
        if len(self.elsewhere):  # runs that go alone are not halved
            self.elsewhere = self.elsewhere.filter(pl.col("engine") != "lightning")

    def decide(self, rung: Store, epoch: int) -> Verdict:
        """Decide which runs stop at a rung. rung: holds what this command's runs reached there."""
        here = self._in(rung.read().filter(pl.col("run_id").is_in(self.ids)))
        if not len(here):
            return Verdict(Ranks({}, 0), here)
        others = self._in(self.elsewhere.filter(~pl.col("run_id").is_in(list(here["run_id"]))))
        standard = self._standard(_joined(here, others))
        metric = standard.metric
        reached = (IS_COMPLETED & (pl.col("epochs") == epoch)).fill_null(value=False)
        here = here.with_columns(
            reached.alias("goes_on"), (reached | ~IS_COMPLETED).alias("competes")
        )
        judged = _joined(_valued(here, metric), self._past(others, metric, epoch)).sort("job")
        folds: dict[tuple[Setting, object], list[tuple[float, bool]]] = {}
        for setting, seed, value, yes in zip(
            settings_of(judged, self.keys), seeds_of(judged), judged["value"],
            _succeeded(judged, standard), strict=True,
        ):  # fmt: skip
            folds.setdefault((setting, seed), []).append((value, yes))
        values: dict[Setting, list[float]] = {}
        succeeded: dict[Setting, int] = {}
        for (setting, _), some in folds.items():  # NaN with a lost fold
            values.setdefault(setting, []).append(sum(v for v, _ in some) / len(some))
            succeeded[setting] = succeeded.get(setting, 0) + all(yes for _, yes in some)
        competing = set(settings_of(judged.filter("competes"), self.keys))
        ranks = survivors(
            {setting: some for setting, some in values.items() if setting in competing},
            self.halving.factor, standard, succeeded,
        )  # fmt: skip
        self.out |= competing - set(ranks.going)
        self.since = epoch
        ended = self._ended(here, ranks)
        self.elsewhere = _joined(self.elsewhere, ended.filter(pl.col("status") != "stopped"))
        return Verdict(ranks, ended)

    def _standard(self, table: pl.DataFrame) -> Standard:
        """The standard with the metric that these runs have at a rung."""
        loss = metric_of(table) or "train/loss"
        if self.standard.by != "success":
            return replace(self.standard, metric=self.standard.metric or loss)
        rule = self.standard.rule
        rule = None if rule is None else rule.among(table.columns)
        return replace(self.standard, rule=rule, metric=loss if rule is None else rule.metric)

    def _in(self, table: pl.DataFrame) -> pl.DataFrame:
        """The rows of settings that have not stopped yet."""
        if not len(table):
            return table
        return table.filter([setting not in self.out for setting in settings_of(table, self.keys)])

    def _past(self, others: pl.DataFrame, metric: str, epoch: int) -> pl.DataFrame:
        """The rows of ended runs, with `value` as it was at an epoch."""
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
        """The rows of runs that do not go on. Those that halving stops are marked as stopped."""
        settings = settings_of(here, self.keys)
        out = pl.Series([setting in self.out for setting in settings], dtype=pl.Boolean)
        rank = pl.Series([ranks.of.get(setting) for setting in settings], dtype=pl.Int64)
        stops = here["goes_on"] & out
        marked = here.with_columns(
            pl.when(stops).then(pl.lit("stopped")).otherwise(pl.col("status")).alias("status"),
            pl.when(stops).then(rank).alias("stopped_rank"),
        )
        return marked.filter(stops | ~here["goes_on"]).drop("goes_on", "competes")


def _joined(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The rows of two tables, whose columns may differ."""
    return pl.concat([t for t in (one, other) if len(t)] or [one], how="diagonal_relaxed")


def _succeeded(judged: pl.DataFrame, standard: Standard) -> pl.Series:
    """Whether the rule of success holds for the column `value`; false throughout if not asked."""
    if standard.by != "success":
        return pl.repeat(value=False, n=len(judged), eager=True)
    value, rule = pl.col("value"), standard.rule
    bound = pl.col(CONSTANT) if rule is None else pl.lit(rule.bound)
    holds = (rule or BELOW).compare(value, bound) & value.is_finite()
    return judged.select(holds.fill_null(value=False)).to_series()


def _valued(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Add the column `value`: the metric of completed runs, NaN for all others."""
    known = pl.col(metric) if metric in table.columns else pl.lit(None, dtype=pl.Float64)
    value = pl.when(IS_COMPLETED).then(known).fill_null(float("nan"))
    return table.with_columns(value.alias("value"))
