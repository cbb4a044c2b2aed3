"""What a sweep tells TensorBoard beside its runs: the HParams tab, and one run of its own.

sweep/           bands of the best settings over seeds, and the charts that show them
sweep/settings/  a session for a setting, where its runs have none: of a sweep too large for a
                 session each run, or where no run completed
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import polars as pl
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore

from small_nets.config.conf_files import at
from small_nets.run.outputs.event_files import remove_events, write_events
from small_nets.run.outputs.hparams import Margin, layout, scalars, session
from small_nets.sweep.results.bootstrap import bootstrap_means
from small_nets.sweep.results.ranking import Ranked, settings_of
from small_nets.sweep.store.columns import cell, metric_columns
from small_nets.sweep.store.store import Store

MOST_RUNS = 200  # with a session each; TensorBoard freezes at some hundreds of runs
MOST_SETTINGS = 200
MOST_BANDS = 12
MOST_SEEDS = 1000  # that a band is made of
EACH = 4  # lines in a chart: TensorBoard gives all lines of a run one colour
DRAWS = 1000  # of an interval at each of a hundred points
SESSION, BANDS = ".session", ".bands"
Record = tuple[int, Summary]
Row = Mapping[str, Any]


def write_sweep_events(store: Store, table: pl.DataFrame, ranked: Sequence[Ranked]) -> None:
    """The sessions and the bands, those of an earlier end of this sweep replaced.

    None for runs that do not log to TensorBoard.

    ranked: by the metric that the sweep is about, best first. Raises OSError.
    """
    trained = table.filter(pl.col("status") != "failed")["run_id"][:1].to_list()
    configs = store.configs(trained).values() if trained else ()
    if not any(at(config, ("logger", "tensorboard")) is True for config, _ in configs):
        return
    of_settings = store.directory / "sweep" / "settings"
    for folder in (*store.directory.iterdir(), *of_settings.glob("[0-9]*"), of_settings):
        if folder.is_dir() and not folder.is_symlink():
            remove_events(folder, SESSION)
            if of_settings in (folder, folder.parent):
                with suppress(OSError):  # somebody's file is in it
                    folder.rmdir()
    metrics = metric_columns(table.columns, store.swept)
    place = {tuple(r.setting.values()): i for i, r in enumerate(ranked)}
    runs: list[list[Row]] = [[] for _ in ranked]
    settings = settings_of(table, list(ranked[0].setting))
    for row, setting in zip(table.iter_rows(named=True), settings, strict=True):
        runs[place[setting]].append(row)
    ended = table.filter(pl.col("status").is_in(["completed", "diverged"]))["job"]
    each = len(table) <= MOST_RUNS and all(
        (store.directory / str(job) / "result.json").exists() for job in ended
    )
    for i, r in enumerate(ranked if each else ranked[:MOST_SETTINGS]):
        group = f"{store.directory.name}: {_label(r)}"
        if each and r.n:  # else the curves of its runs would be taken for its metrics
            _session_each(store, group, r, runs[i], metrics)
        else:
            _session_of_all(store, group, i, r, runs[i], metrics)
    _write_bands(store, ranked, runs, [m for m in metrics if not m.startswith("best/")])


def _label(r: Ranked) -> str:
    return " ".join(f"{key}={cell(value)}" for key, value in r.setting.items()) or "all seeds"


def _settings(store: Store, r: Ranked) -> dict[str, Any]:
    # The example too: below outputs/ a sweep is one of several.
    example = {"experiment": ", ".join(store.about["experiments"])}
    # A text where the key's column holds none is of a setting that failed: it has no value.
    return example | {
        k: v
        for k, v in r.setting.items()
        if v is not None and isinstance(v, str) == (store.swept[k] == pl.String)
    }


def _session_each(
    store: Store, group: str, r: Ranked, rows: Sequence[Row], metrics: Sequence[str]
) -> None:
    """A session for each completed run of a setting: the tab averages them.

    Those that diverged are only counted.
    """
    for row in (row for row in rows if row["status"] == "completed"):
        best = {m: row[m] for m in metrics if m.startswith("best/") and row[m] is not None}
        values = best | {"runs": float(r.n), "diverged": float(r.diverged)}
        write_events(
            store.directory / str(row["job"]),
            [(0, session(group, _settings(store, r), True)), (row["steps"], scalars(values))],
            SESSION,
        )


def _session_of_all(
    store: Store, group: str, rank: int, r: Ranked, rows: Sequence[Row],
    metrics: Sequence[str],
) -> None:  # fmt: skip
    """One session for a setting: means over its completed runs, and how many there are."""
    completed = [row for row in rows if row["status"] == "completed"]
    values = {"runs": float(r.n), "diverged": float(r.diverged)}
    for metric in metrics:
        known = [row[metric] for row in completed if row[metric] is not None]
        if known and np.isfinite(known).all():
            values[metric] = float(np.mean(known))
    steps = max((row["steps"] or 0 for row in rows), default=0)
    write_events(
        store.directory / "sweep" / "settings" / f"{rank + 1:03d}",
        [(0, session(group, _settings(store, r), r.n > 0)), (steps, scalars(values))],
        SESSION,
    )


def _write_bands(
    store: Store, ranked: Sequence[Ranked], runs: Sequence[Sequence[Row]],
    metrics: Sequence[str],
) -> None:  # fmt: skip
    """The mean over seeds by step, and its 95 % bootstrap interval, of the best settings."""
    shown = [(i, r) for i, r in enumerate(ranked[:MOST_BANDS]) if r.n]
    ids = {
        i: [row["run_id"] for row in runs[i] if row["status"] == "completed"][:MOST_SEEDS]
        for i, _ in shown
    }
    curves = store.curves([one for some in ids.values() for one in some], ["step", *metrics])
    by_step: dict[int, dict[str, float]] = {}
    charts: dict[str, list[Margin]] = {}
    for i, r in shown:
        mine = curves.filter(pl.col("run_id").is_in(ids[i]))
        for metric in (m for m in metrics if m in mine.columns):
            steps, values = _by_run(mine, metric)
            if not values.size or not np.isfinite(values).all():
                continue
            mean = values.mean(axis=0)
            low, high = bootstrap_means(values, DRAWS) if len(values) > 1 else (mean, mean)
            tags = [f"{metric}/{i + 1:02d} {_label(r)}/{end}" for end in ("mean", "low", "high")]
            first = i - i % EACH
            last = min(first + EACH, len(shown))
            which = f"{first + 1} to {last} of {len(ranked)}"
            more = f" of {MOST_SEEDS:,} runs" if r.n > MOST_SEEDS else ""
            title = f"{metric}, settings {which}: mean{more}, 95 % interval"
            charts.setdefault(title, []).append(Margin(*tags))
            for step, *ends in zip(steps, mean, low, high, strict=True):
                by_step.setdefault(step, {}).update(zip(tags, map(float, ends), strict=True))
    records: list[Record] = [(step, scalars(values)) for step, values in sorted(by_step.items())]
    if records:
        chart = layout(f"sweep {store.directory.name}", charts)
        write_events(store.directory / "sweep", [(0, chart), *records], BANDS)


def _by_run(curves: pl.DataFrame, metric: str) -> tuple[list[int], np.ndarray]:
    """The steps that every run has, and the metric there, (runs, points)."""
    known = curves.drop_nulls(metric)
    # Not polars' pivot, which takes a second for a thousand columns.
    runs, run = np.unique(known["run_id"].to_numpy(), return_inverse=True)
    steps, step = np.unique(known["step"].to_numpy(), return_inverse=True)
    values = np.empty((len(runs), len(steps)))
    is_there = np.zeros(values.shape, dtype=bool)
    values[run, step], is_there[run, step] = known[metric].to_numpy(), True
    everywhere = is_there.all(axis=0)
    return steps[everywhere].tolist(), values[:, everywhere]
