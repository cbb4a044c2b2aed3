"""What a sweep tells TensorBoard: a folder of its own, in which each of the best settings is a run.

TensorBoard ticks no run where it finds more than 40, takes seven colours in turn, in the order in
which its runs began, and gives all lines of a run the same one. So there are at most SELECTABLE
runs, the best first; the first BANDS of them have curves with a band, and each its own colour.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore

from small_nets.config.conf_files import at
from small_nets.run.outputs.event_files import remove_events, write_events
from small_nets.run.outputs.hparams import Margin, layout, scalars, session, tag
from small_nets.sweep.results.bands import band_of, of_median
from small_nets.sweep.results.normalised import units
from small_nets.sweep.results.ranking import Ranked, settings_of
from small_nets.sweep.results.standard import ENDED, Standard
from small_nets.sweep.store.columns import cell, choosing_metrics
from small_nets.sweep.store.store import Store
from small_nets.system.printable import printable

FOLDER = "tensorboard"  # in the sweep's directory
SELECTABLE = 30  # runs
BANDS = 7  # TensorBoard's colours
MOST_SEEDS = 1000  # that a band is made of
SUFFIX = ".sweep"
LONG = 100  # characters of a run's name
Record = tuple[int, Summary]
Row = Mapping[str, Any]


def write_sweep_events(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard
) -> Path | None:
    """The folder for TensorBoard; what an earlier end of this sweep left there is replaced.

    None for runs that do not log to TensorBoard.

    ranked: by the standard, best first. Raises OSError.
    """
    trained = table.filter(pl.col("status") != "failed")["run_id"][:1].to_list()
    configs = store.configs(trained).values() if trained else ()
    if not any(at(config, ("logger", "tensorboard")) is True for config, _ in configs):
        return None
    folder = store.directory / FOLDER
    _remove(folder)
    metrics = choosing_metrics(table.columns, store.swept)
    place = {tuple(r.setting.values()): i for i, r in enumerate(ranked)}
    runs: list[list[Row]] = [[] for _ in ranked]
    settings = settings_of(table, list(ranked[0].setting))
    for row, setting in zip(table.iter_rows(named=True), settings, strict=True):
        runs[place[setting]].append(row)
    chosen = list(zip(ranked[:SELECTABLE], runs, strict=False))
    shown = [m for m in metrics if not m.startswith("best/")]
    ids = [_trained(rows) for r, rows in chosen[:BANDS] if r.best_job is not None]
    curves = store.curves([row["run_id"] for rows in ids for row in rows], ["step", *shown])
    charts = _charts(store, table, [m for m in shown if m in curves.columns])
    # One after another, the best first: by when they began TensorBoard orders and colours them.
    for i, (r, rows) in enumerate(chosen):
        points = _band(curves, rows, shown) if i < BANDS and r.best_job is not None else {}
        last, values = _end(r, rows, metrics, standard)
        if points:
            # Where early stopping kept other weights than the last, or runs ended later.
            last = max(last, max(points) + (not _is_end(points[max(points)], values)))
        points[last] = points.get(last, {}) | values
        about = session(_label(r), _settings(store, r), r.best_job is not None)
        records = [(step, scalars(some)) for step, some in sorted(points.items())]
        write_events(folder / _name(i, r), [(0, about), (0, charts), *records], SUFFIX)
    return folder


def _remove(folder: Path) -> None:
    """Remove what was written here before; nobody else's file, and nothing through a link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for old in folder.iterdir():
        if old.is_dir() and not old.is_symlink():
            remove_events(old, SUFFIX)
            with suppress(OSError):  # somebody's file is in it
                old.rmdir()


def _label(r: Ranked) -> str:
    return " ".join(f"{key}={cell(value)}" for key, value in r.setting.items()) or "all seeds"


def _name(rank: int, r: Ranked) -> str:
    """Of a setting's run, which is that of its folder: its rank first."""
    label = " ".join(re.sub(r"[/\\]", "_", printable(_label(r))).split())
    label = label if len(label) <= LONG else label[: LONG - 1] + "…"
    while len(label.encode()) > 2 * LONG:
        label = label[:-2] + "…"
    return f"{rank + 1:02d} {label}".rstrip(". ")


def _settings(store: Store, r: Ranked) -> dict[str, Any]:
    # The example too: below outputs/ a sweep is one of several.
    example = {"experiment": ", ".join(store.about["experiments"])}
    # A text where the key's column holds none is of a setting that failed: it has no value.
    return example | {
        k: v
        for k, v in r.setting.items()
        if v is not None and isinstance(v, str) == (store.swept[k] == pl.String)
    }


def _trained(rows: Sequence[Row]) -> list[Row]:
    """The rows that a band is made of; a run that failed has no curve."""
    return [row for row in rows if row["status"] in ("completed", "diverged")][:MOST_SEEDS]


def _end(
    r: Ranked, rows: Sequence[Row], metrics: Sequence[str], standard: Standard
) -> tuple[int, dict[str, float]]:
    """The last step of a setting's runs, and the medians over all of them that are finite.

    By another summary than the median also that, as worth/METRIC.
    """
    values = {"runs": float(r.n), "diverged": float(r.diverged)}
    if r.succeeded is not None and r.n:
        values["success"] = r.succeeded / r.n
    if standard.by not in ("median", "success") and np.isfinite(r.worth):
        values[f"{standard.by}/{standard.metric}"] = r.worth
    for metric in metrics:
        worst = Standard(metric).worst
        known = [row[metric] if row["status"] == "completed" else worst
                 for row in rows if row["status"] in ENDED]  # fmt: skip
        middle = float("nan") if None in known or not known else float(np.median(known))
        if np.isfinite(middle):
            values[metric] = middle
    if np.isfinite(r.median):
        values[standard.metric] = r.median  # of a sweep over folds that of the seeds' means
    return max((row["steps"] or 0 for row in rows), default=0), values


def _is_end(point: Mapping[str, float], values: Mapping[str, float]) -> bool:
    """Whether the last point of the curves is what is said of the end."""
    return all(np.isclose(point[m], v, rtol=1e-6) for m, v in values.items() if m in point)


def _band(
    curves: pl.DataFrame, rows: Sequence[Row], metrics: Sequence[str]
) -> dict[int, dict[str, float]]:
    """Step -> each metric's median over seeds, and its interval; none where it is lost."""
    trained = _trained(rows)
    lost = [row["run_id"] for row in trained if row["status"] == "diverged"]
    mine = curves.filter(pl.col("run_id").is_in([row["run_id"] for row in trained]))
    by_step: dict[int, dict[str, float]] = {}
    for metric in (m for m in metrics if m in mine.columns):
        band = band_of(mine, lost, metric, of_median)
        names = [metric, *_ends(metric)]
        for step, *ends in zip(band.steps, band.middle, band.low, band.high, strict=True):
            if np.isfinite(ends).all():
                by_step.setdefault(step, {}).update(zip(names, map(float, ends), strict=True))
    return by_step


def _ends(metric: str) -> tuple[str, str]:
    """What the edges of a metric's band are called."""
    return f"interval/{metric}/low", f"interval/{metric}/high"


def _charts(store: Store, table: pl.DataFrame, metrics: Sequence[str]) -> Summary:
    """A chart with bands for each metric, in which every ticked setting has its line."""
    charts, of = {}, units(store, table, metrics)
    for m in sorted(metrics, key=lambda m: (not m.endswith("loss"), m)):
        title = f"{m}{of[m]}: median over seeds, 95 % interval"
        charts[title] = [Margin(tag(m), *map(tag, _ends(m)))]
    return layout(f"sweep {store.directory.name}", charts)
