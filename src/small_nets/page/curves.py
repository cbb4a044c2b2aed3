"""The learning curves that a page shows: bands over seeds, and single runs."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import polars as pl

from small_nets.config.logging_interval import evenly
from small_nets.page.numbers import number, numbers
from small_nets.sweep.results.ranking import band, has_finite, is_better_high
from small_nets.sweep.store.store import Store

BEST, SPREAD = 20, 12  # settings with a curve: the best, and others evenly spaced in the ranking
POINTS = 120
SEEDS = 200  # runs of a setting that its band is made of, at most


def shown_settings(count: int) -> list[int]:
    """The ranks of the settings whose curves are on the page."""
    if count <= BEST + SPREAD:
        return list(range(count))
    rest = range(BEST, count)
    return [*range(BEST), *(rest[(i + 1) * len(rest) // SPREAD - 1] for i in range(SPREAD))]


def _thin(rows: pl.DataFrame) -> pl.DataFrame:
    """At most POINTS rows of one curve, ordered by step, the first and the last among them."""
    return rows[evenly(len(rows), POINTS)]


def bands(
    store: Store, runs: pl.DataFrame, settings: Sequence[int], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """Of each setting: its number, its steps, and median, first and last tenth of each metric.

    runs: run_id, setting, status. Only completed runs; what is not finite is left out.
    """
    completed = runs.filter(
        (pl.col("status") == "completed") & pl.col("setting").is_in(list(settings))
    )
    chosen = completed.group_by("setting", maintain_order=True).head(SEEDS)
    curves = store.curves(chosen["run_id"].to_list(), ["step", *metrics])
    curves = curves.join(chosen.select("run_id", "setting"), on="run_id")
    finite = {m: pl.col(m).filter(pl.col(m).is_finite()) for m in metrics if m in curves.columns}
    ends = chain.from_iterable(band(values, f"{m} ") for m, values in finite.items())
    table = curves.group_by("setting", "step").agg(ends)
    found = []
    for setting in settings:
        rows = _thin(table.filter(pl.col("setting") == setting).sort("step"))
        if len(rows):
            of = {m: [numbers(rows[f"{m} {end}"]) for end in ("middle", "low", "high")]
                  for m in finite}  # fmt: skip
            found.append({"setting": setting, "step": rows["step"].to_list(), "of": of})
    return found


def extreme_runs(table: pl.DataFrame, metric: str) -> dict[str, Mapping[str, Any]]:
    """The rows of the best, the median and the worst completed run by a metric.

    Of the settings that are on the page.
    """
    good = table.filter(has_finite(metric) & pl.col("setting").is_not_null())
    good = good.sort(metric, "job", descending=[is_better_high(metric), False])
    places = {"best": 0, "median": (len(good) - 1) // 2, "worst": len(good) - 1}
    return {name: good.row(i, named=True) for name, i in places.items() if 0 <= i < len(good)}


def single_curves(
    store: Store, rows: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """The curves of these runs, by what they are: best, median, worst."""
    ids = [row["run_id"] for row in rows.values()]
    curves = store.curves(ids, ["step", *metrics])
    found = []
    for name, row in rows.items():
        curve = _thin(curves.filter(pl.col("run_id") == row["run_id"]).sort("step"))
        of = {m: [numbers(curve[m])] for m in metrics if m in curve.columns}
        value = number(row.get(metrics[0]))
        found.append({"name": name, "job": row["job"], "setting": row["setting"], "value": value,
                      "step": curve["step"].to_list(), "of": of})  # fmt: skip
    return found
