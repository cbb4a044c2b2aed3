"""The settings of a halved sweep at an epoch: what each has reached there, and who stops."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from src.sweep.ranking import SEEDS, is_better_high, metric_of
from src.sweep.rungs import Halving, Ranks, survivors
from src.sweep.store import Store

Setting = tuple[Any, ...]
IS_COMPLETED = pl.col("status") == "completed"


@dataclass(frozen=True)
class Verdict:
    """ranks: of the settings that could go on. ended: rows of the runs that do not, as stored."""

    ranks: Ranks[Setting]
    ended: pl.DataFrame


class Field:
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
        for setting, value in zip(self._settings(judged), judged["value"], strict=True):
            values.setdefault(setting, []).append(value)
        competing = set(self._settings(judged.filter("competes")))
        ranks = survivors(
            {setting: some for setting, some in values.items() if setting in competing},
            self.halving.factor, is_better_high(metric),
        )  # fmt: skip
        self.out |= competing - set(ranks.going)
        self.since = epoch
        ended = self._ended(here, ranks)
        self.elsewhere = _both(self.elsewhere, ended.filter(pl.col("status") != "stopped"))
        return Verdict(ranks, ended)

    def _settings(self, table: pl.DataFrame) -> list[Setting]:
        return list(table.select(self.keys).iter_rows()) if self.keys else [()] * len(table)

    def _in(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of settings that have not stopped yet."""
        if not len(table):
            return table
        return table.filter([setting not in self.out for setting in self._settings(table)])

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

    def _ended(self, here: pl.DataFrame, ranks: Ranks[Setting]) -> pl.DataFrame:
        """Rows of the runs that do not go on; those that halving stops, marked so."""
        settings = self._settings(here)
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
