"""The learning curves that a page shows: bands over seeds, and single runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from small_nets.config.logging_interval import evenly
from small_nets.page.numbers import number, numbers
from small_nets.sweep.results.bands import Band, band_of
from small_nets.sweep.results.standard import ENDED, Standard, has_finite
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

    runs: run_id, setting, status. Null where so many runs are lost.
    """
    trained = runs.filter(
        pl.col("status").is_in(["completed", "diverged"]) & pl.col("setting").is_in(list(settings))
    )
    chosen = trained.group_by("setting", maintain_order=True).head(SEEDS)
    curves = store.curves(chosen["run_id"].to_list(), ["step", *metrics])
    curves = curves.join(chosen.select("run_id", "setting"), on="run_id")
    known = [m for m in metrics if m in curves.columns]
    lost = chosen.filter(pl.col("status") == "diverged")["run_id"].to_list()
    by_setting = {k[0]: mine for k, mine in curves.group_by("setting")}
    found = []
    for setting in settings:
        if setting not in by_setting:
            continue
        all_of = {m: band_of(by_setting[setting], lost, m) for m in known}
        steps = sorted({step for band in all_of.values() for step in band.steps})
        kept = [steps[i] for i in evenly(len(steps), POINTS)]
        if kept:
            found.append({"setting": setting, "step": kept,
                          "of": {m: _at(band, kept) for m, band in all_of.items()}})  # fmt: skip
    return found


def _at(band: Band, steps: Sequence[int]) -> list[list[Any]]:
    """Middle, low and high at these steps; null where the band has no such step, or no number."""
    place = {step: i for i, step in enumerate(band.steps)}
    return [[number(ends[place[s]]) if s in place else None for s in steps]
            for ends in (band.middle, band.low, band.high)]  # fmt: skip


def extreme_runs(
    table: pl.DataFrame, standard: Standard, best_job: int | None
) -> dict[str, Mapping[str, Any]]:
    """The best run of the best setting, and the median and the worst run of all by the metric.

    best_job: the number of the first. There is no median run where that is lost. Only runs of
    settings that are on the page.
    """
    good = table.filter(has_finite(standard.metric) & pl.col("setting").is_not_null())
    good = good.sort(standard.metric, "job", descending=[standard.is_metric_high, False])
    ended = table.filter(pl.col("status").is_in(ENDED) & pl.col("setting").is_not_null())
    best = good.filter(pl.col("job") == best_job)
    middle = good[(len(ended) - 1) // 2 :][:1] if len(ended) else good[:0]
    found = {"best": best, "median": middle, "worst": good[-1:]}
    return {name: rows.row(0, named=True) for name, rows in found.items() if len(rows)}


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
