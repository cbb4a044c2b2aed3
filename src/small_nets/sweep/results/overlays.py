"""loss.png, fit.png and paths.png of a sweep: its settings' curves, fits and paths, each in one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from small_nets.engines.sharpness import RELATIVE
from small_nets.run.figures.loss import Line, losses_figure
from small_nets.run.pictures.fit import draw_fits, is_one_curve, save_png
from small_nets.run.pictures.maps import draw_maps, is_map
from small_nets.run.pictures.paths import draw_paths, have_one_surface
from small_nets.run.spec import Run
from small_nets.sweep.results.bands import band_of
from small_nets.sweep.results.normalised import unit
from small_nets.sweep.results.ranking import Ranked, of_setting
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.columns import cell
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import trained_runs

MOST = 12  # settings that one picture can tell apart by their colours
MOST_MAPS = 24  # settings that have a map of their own


def draw_overlays(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard
) -> list[Path]:
    """The files written; of many settings only maps of the best, of several examples none."""
    metric, known = standard.metric, [r for r in ranked if r.best_job is not None]
    if not known or "experiment" in store.swept:
        return []
    runs = {_label(r): _sorted(table, r, standard) for r in known[:MOST_MAPS]}
    # Of each setting, the run that stands in the middle of its seeds; where that is lost, the one
    # before it that is not.
    chosen = {
        label: found.filter(pl.col(metric).is_finite() & (pl.col("status") == "completed")).filter(
            pl.col("place") <= (len(found) - 1) // 2
        )[-1:]
        for label, found in runs.items()
    }
    chosen = {label: row.row(0, named=True) for label, row in chosen.items() if len(row)}
    ids = [row["run_id"] for row in chosen.values()]
    if len(known) > MOST and not any(is_map(run) for _, run in trained_runs(store, ids[:1])):
        return []  # before the other runs are read
    states = dict(trained_runs(store, ids))
    middle = {
        label: states[row["run_id"]] for label, row in chosen.items() if row["run_id"] in states
    }
    title = f"{store.about['experiments'][0]}: {_counted(known, len(ranked))}"
    of = ", for each the run of median loss" if max(r.n for r in known) > 1 else ""
    written = []
    if len(known) <= MOST:
        name = f"{metric}{unit(store, table, metric)}"
        losses = losses_figure(_lines(store, runs, metric), title, name)
        save_png(losses, store.directory / "loss.png")
        written.append(store.directory / "loss.png")
        if RELATIVE in table.columns and table[RELATIVE].is_not_null().any():
            lines = _lines(store, runs, RELATIVE)
            bent = losses_figure(lines, f"{title}: sharpness along training",
                                 "λmax / the bound of the optimizer (2/η)", edge=True)  # fmt: skip
            save_png(bent, store.directory / "sharpness.png")
            written.append(store.directory / "sharpness.png")
    values = {label: f"{metric} {chosen[label][metric]:.3g}" for label in middle}
    figure = fits_figure(middle, values, f"{title}{of}")
    if figure is not None:
        save_png(figure, store.directory / "fit.png")
        written.append(store.directory / "fit.png")
    if len(middle) > 1 and len(known) <= MOST and have_one_surface(middle):
        figure = draw_paths(middle, f"{title}: the paths of training{of}")
        if figure is not None:
            save_png(figure, store.directory / "paths.png")
            written.append(store.directory / "paths.png")
    return written


def _counted(known: Sequence[Ranked], count: int) -> str:
    if len(known) > MOST_MAPS:
        return f"the best {MOST_MAPS} of {count:,} settings"
    lost = f" ({count - len(known)} without a finite end)" if count > len(known) else ""
    return f"{len(known)} setting{'s' if len(known) > 1 else ''}{lost}"


def fits_figure(runs: Mapping[str, Run], values: Mapping[str, str], title: str) -> Figure | None:
    """Curves over one input in one panel, or a map over two inputs for each; else None.

    values: what each run has reached, by the same label.
    """
    # Not of other columns of a table, which can be swept.
    inputs = {tuple(run.labels.of_inputs(run.data.table.input.shape[1])) for run in runs.values()}
    if len(inputs) != 1:
        return None
    if len(runs) <= MOST and all(map(is_one_curve, runs.values())):
        return draw_fits(runs, title)
    tasks = {(run.data.table.task, run.data.table.target.shape[1])
             for run in runs.values() if run.data.table.target is not None}  # fmt: skip
    if len(tasks) == 1 and all(map(is_map, runs.values())):
        return draw_maps({f"{label}\n{values[label]}": run for label, run in runs.items()}, title)
    return None


def _label(ranked: Ranked) -> str:
    short = {key.rpartition(".")[2]: value for key, value in ranked.setting.items()}
    shown = short if len(short) == len(ranked.setting) else ranked.setting
    text = "  ".join(f"{key}={cell(value)}" for key, value in shown.items()) or "all"
    return text if ranked.n == 1 else f"{text}  ({ranked.n}\u00a0seeds)"


def _sorted(table: pl.DataFrame, r: Ranked, standard: Standard) -> pl.DataFrame:
    """The rows of a setting that have an end, the best first, with their `place`."""
    rows = table.filter(of_setting(r)).with_columns(standard.value().alias("value"))
    rows = rows.drop_nulls("value").sort(
        "value", "job", descending=[standard.is_metric_high, False]
    )
    return rows.with_row_index("place")


def _lines(store: Store, runs: dict[str, pl.DataFrame], metric: str) -> list[Line]:
    """Median over seeds by step, and the band from the first to the last tenth of them."""
    ids = [one for found in runs.values() for one in found["run_id"].to_list()]
    curves = store.curves(ids, columns=["step", metric])
    lines = []
    for label, found in runs.items():
        mine = curves.filter(pl.col("run_id").is_in(found["run_id"].to_list()))
        lost = found.filter(pl.col("status") != "completed")["run_id"].to_list()
        band = band_of(mine, lost, metric)
        ends = (band.low.tolist(), band.high.tolist()) if len(found) > 1 else ()
        lines.append(Line(label, band.steps, band.middle.tolist(), *ends))
    return lines
