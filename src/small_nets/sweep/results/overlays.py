"""loss.png and fit.png of a sweep of few settings: all of them in one picture."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from small_nets.run.figures.loss import Line, losses_figure
from small_nets.run.pictures.fit import draw_fits, is_one_curve, save_png
from small_nets.sweep.results.normalised import unit
from small_nets.sweep.results.ranking import Ranked, band, has_finite
from small_nets.sweep.store.columns import cell
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import trained_runs

MOST = 12  # settings that one picture can tell apart


def draw_overlays(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], metric: str | None
) -> list[Path]:
    """The files written; none for a sweep of many settings, or of several examples."""
    shown = [r for r in ranked if r.n]
    if metric is None or not 0 < len(shown) <= MOST or "experiment" in store.swept:
        return []
    runs = {_label(r): _completed(table, r, metric) for r in shown}
    count = f"{len(shown)} setting{'s' if len(shown) > 1 else ''}"
    lost = f" ({len(ranked) - len(shown)} without a finite end)" if len(ranked) > len(shown) else ""
    title = f"{store.about['experiments'][0]}: {count}{lost}"
    losses = losses_figure(
        _lines(store, runs, metric), title, f"{metric}{unit(store, table, metric)}"
    )
    save_png(losses, store.directory / "loss.png")
    written = [store.directory / "loss.png"]
    # Of each setting, the run that stands in the middle of its seeds.
    chosen = {label: found["run_id"][(len(found) - 1) // 2] for label, found in runs.items()}
    states = dict(trained_runs(store, chosen.values()))
    middle = {label: states[run_id] for label, run_id in chosen.items() if run_id in states}
    axes = {run.labels.input for run in middle.values()}  # a table's columns can be swept
    if len(axes) == 1 and all(is_one_curve(run) for run in middle.values()):
        several = max(r.n for r in shown) > 1
        of = ", for each the run of median loss" if several else ""
        save_png(draw_fits(middle, f"{title}{of}"), store.directory / "fit.png")
        written.append(store.directory / "fit.png")
    return written


def _label(ranked: Ranked) -> str:
    short = {key.rpartition(".")[2]: value for key, value in ranked.setting.items()}
    shown = short if len(short) == len(ranked.setting) else ranked.setting
    text = "  ".join(f"{key}={cell(value)}" for key, value in shown.items()) or "all"
    return text if ranked.n == 1 else f"{text}  ({ranked.n} seeds)"


def _completed(table: pl.DataFrame, ranked: Ranked, metric: str) -> pl.DataFrame:
    wanted = has_finite(metric)
    for key, value in ranked.setting.items():
        wanted &= pl.col(key).eq_missing(pl.lit(value))
    return table.filter(wanted).sort(metric, "job")


def _lines(store: Store, runs: dict[str, pl.DataFrame], metric: str) -> list[Line]:
    """Median over seeds by step, and the band from the first to the last tenth of them."""
    curves = store.curves(columns=["step", metric])
    lines = []
    for label, found in runs.items():
        mine = curves.filter(pl.col("run_id").is_in(found["run_id"].to_list()))
        by_step = mine.group_by("step").agg(band(pl.col(metric))).sort("step")
        ends = (by_step["low"].to_list(), by_step["high"].to_list()) if len(found) > 1 else ()
        lines.append(Line(label, by_step["step"].to_list(), by_step["middle"].to_list(), *ends))
    return lines
