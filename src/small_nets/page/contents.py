"""From a sweep's store to what its page shows: plain containers, small enough for a browser."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from small_nets.nn.early_stopping import losses_in
from small_nets.page.numbers import number, numbers
from small_nets.sweep.jobs.grid import IN_A_SETTING
from small_nets.sweep.results.normalised import normalised_losses
from small_nets.sweep.results.ranking import Ranked, Setting, rank, settings_of
from small_nets.sweep.results.standard import Standard, is_better_high
from small_nets.sweep.results.told_apart import Beside, beside_best
from small_nets.sweep.results.words import interval_text, interval_title, said_of_best
from small_nets.sweep.store.columns import STATUSES, cell, choosing_metrics
from small_nets.sweep.store.store import Store
from small_nets.system.command_names import command

MOST_RUNS = 20_000
MOST_SETTINGS = 5_000
MOST_LOST = 2_000
_NUMBER = re.compile(r"-?\d{1,15}(\.\d+)?")
# The columns of the statistics of a setting.
STATISTICS = ("n", "worth", "low", "high", "succeeded", "share_low", "share_high", "median", "sd",
              "epochs", "alike", "best", "interval")  # fmt: skip
ALWAYS = 100  # settings of the highest rank, on every page


def metrics_of(table: pl.DataFrame, swept: Mapping[str, Any]) -> list[str]:
    """The columns that measure a run: val/loss first, constant and empty ones left out."""
    found = [c for c in choosing_metrics(table.columns, swept) if table[c].n_unique() > 1]
    first = losses_in(found)
    return [*first, *(m for m in found if m not in first)]


def head(store: Store, table: pl.DataFrame) -> dict[str, Any]:
    """What the page begins with: the command, the date, versions, counts, time and pace."""
    about = store.about
    trained = about.get("trained", [])
    seconds, runs = (sum(t[key] for t in trained) for key in ("seconds", "runs"))
    counts = dict(table.group_by("status").len().iter_rows())
    engines = table.drop_nulls("engine").group_by("engine").len().sort("len", descending=True)
    return {
        "experiments": about["experiments"],
        "directory": str(store.directory),
        "command": about.get("command"),
        "train": command("train"),  # in front of a run's overrides
        "date": about.get("date"),
        "versions": about.get("versions", {}),
        "git": about.get("git"),
        "counts": {status: counts.get(status, 0) for status in STATUSES},
        "alone": table["reason"].is_not_null().sum() if "reason" in table.columns else 0,
        "engines": [list(row) for row in engines.iter_rows()],
        "seconds": seconds or None,
        "runs_per_second": runs / seconds if seconds else None,
    }


def _keys(names: Sequence[str], settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """The swept settings with their values: numbers sorted, texts as they were first given.

    given: the values as settings have them; values: the numbers that they are, where all are one
    (widths are typed as texts). lacks: the last is null, a setting that a trial does not have.
    """
    keys = []
    for place, name in enumerate(names):
        given: list[Any] = list(dict.fromkeys(setting[place] for setting in settings))
        found = {v: n for v in given if (n := _as_number(v)) is not None}
        absent = [v for v in given if v in (None, "null")]
        # A run that failed may have a text where others have numbers.
        is_number = bool(found) and len(found) + len(absent) == len(given)
        if is_number:
            given = [*sorted(found, key=found.__getitem__), *absent]
        is_log = is_number and _is_geometric(sorted(found.values()))
        keys.append({"name": name, "given": given, "texts": [cell(v) for v in given],
                     "values": [found.get(v) for v in given] if is_number else given,
                     "number": is_number, "lacks": is_number and bool(absent),
                     "log": is_log})  # fmt: skip
    return keys


def _as_number(value: Any) -> float | None:
    """A setting as the number that it is, or is the text of; None for any other."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    return value if not isinstance(value, str) else float(value) if "." in value else int(value)


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether a log axis suits: rates of 0.01, 0.1 and 1, but not widths of 5, 10 and 20."""
    if len(values) < 3 or values[0] <= 0 or values[-1] / values[0] <= 20:
        return False
    gaps = [np.diff(scaled) for scaled in (np.log(values), values)]
    uneven = [g.std() / g.mean() for g in gaps]
    return bool(uneven[0] < uneven[1])


def _spread(count: int, most: int) -> list[int]:
    """Which places of a ranking are shown: all, or the first and others evenly spaced."""
    if count <= most:
        return list(range(count))
    rest = most - ALWAYS
    return [*range(ALWAYS), *(ALWAYS + i * (count - ALWAYS) // rest for i in range(rest))]


def _statistics(
    ranked: Mapping[Setting, Ranked], order: Sequence[Setting], beside: Sequence[Beside]
) -> list[Any]:
    """Of each setting: what `STATISTICS` names, in its order; what is lost is null."""
    places = {key: i for i, key in enumerate(ranked)}
    found = []
    for key in order:
        r, other = ranked[key], beside[places[key]]
        interval, share = r.interval, r.share
        ends = (None, None) if interval is None else (interval.low, interval.high)
        shares = (None, None) if share is None else (share.low, share.high)
        epochs = None if r.epochs is None else "never" if np.isinf(r.epochs) else r.epochs
        worth = None if r.stopped else r.worth
        values = [r.n, worth, *ends, r.succeeded, *shares, r.median, r.sd]
        found.append([*map(number, values), epochs, other.is_alike, r.best_job,
                      interval_text(interval)])  # fmt: skip
    return found


def contents(
    store: Store, table: pl.DataFrame, standard: Standard
) -> tuple[dict[str, Any], pl.DataFrame, dict[str, list[Ranked]]]:
    """The settings with their ranking for each metric, and the runs, column by column.

    Also the table of runs with the place of each one's setting as a column, null where the
    setting is not on the page, and the ranking of all settings for each metric.

    table: with what `with_success` adds. standard: what settings are ordered by at first. Runs and
    settings beyond what a browser can hold are left out, and `notes` says so; the numbers of a
    ranking are always of all runs.
    """
    main = standard.metric
    names = [key for key in store.swept if key not in IN_A_SETTING]
    metrics = metrics_of(table, store.swept)
    metrics = [main, *(m for m in metrics if m != main)]
    # A race was run by one metric: what it decided is no verdict on others.
    by = {m: standard if m == main else replace(standard, metric=m, race=None) for m in metrics}
    rankings = {
        metric: {tuple(r.setting.values()): r for r in rank(table, names, by[metric])}
        for metric in metrics
    }
    beside = {m: beside_best([*ranked.values()], by[m]) for m, ranked in rankings.items()}
    order = list(rankings[main])
    shown = [order[i] for i in _spread(len(order), MOST_SETTINGS)]
    notes = []
    if len(shown) < len(order):
        notes.append(f"{len(shown):,} of {len(order):,} settings are on this page: the best "
                     f"{ALWAYS}, and others evenly spaced in the ranking.")  # fmt: skip
    if "experiment" in names:
        notes.append("The settings are of several experiments: their losses measure different "
                     "things, and the ranking puts them side by side all the same.")  # fmt: skip
    normalised = normalised_losses(store, table, metrics)
    of_row = settings_of(table, names)
    keys = _keys(names, list(dict.fromkeys(of_row)))
    place = [{value: i for i, value in enumerate(key.pop("given"))} for key in keys]
    data = {
        "head": head(store, table),
        "metrics": [
            {"name": m, "high": is_better_high(m), "normalised": normalised.get(m)}
            for m in metrics
        ],
        "standard": {
            "how": standard.by, "seeds": standard.seeds, "success": standard.rule_text,
            "interval": interval_title([*rankings[main].values()], standard),
            "race": standard.race is not None,
        },
        "said": {
            m: [*said_of_best([*ranked.values()], by[m], beside[m])]
            for m, ranked in rankings.items()
        },
        "statistics": STATISTICS,
        "keys": keys,
        "setting_count": len(order),
        "settings": [[at[v] for at, v in zip(place, key, strict=True)] for key in shown],
        "diverged": [rankings[main][key].diverged for key in shown],
        "failed": [rankings[main][key].failed for key in shown],
        "stopped": [rankings[main][key].stopped for key in shown],
        "stats": {
            metric: _statistics(ranked, shown, beside[metric])
            for metric, ranked in rankings.items()
        },
    }  # fmt: skip
    number_of = {key: i for i, key in enumerate(shown)}
    table = table.with_columns(pl.Series("setting", [number_of.get(s) for s in of_row], pl.Int64))
    data |= _runs(table, metrics, notes) | {"notes": notes}
    return data, table, {metric: [*ranked.values()] for metric, ranked in rankings.items()}


def _runs(table: pl.DataFrame, metrics: Sequence[str], notes: list[str]) -> dict[str, Any]:
    """The runs of the settings that are shown, as columns."""
    rows = table.filter(pl.col("setting").is_not_null())
    if len(rows) > MOST_RUNS:
        rows = rows.sample(MOST_RUNS, seed=0).sort("job")
        notes.append(f"The charts and the table of runs show {MOST_RUNS:,} of {len(table):,} runs, "
                     "drawn at random; the ranking is of all.")  # fmt: skip
    seeds = [key for key in IN_A_SETTING if key in rows.columns]
    return {
        "runs": {
            "job": rows["job"].to_list(),
            "setting": rows["setting"].to_list(),
            "status": [STATUSES.index(s) for s in rows["status"]],
            "seeds": {key: rows[key].to_list() for key in seeds},
            "metrics": {m: numbers(rows[m]) for m in metrics},
            "overrides": rows["overrides"].to_list(),
        },
        "lost": _lost(table, notes),
    }


def lost_runs(table: pl.DataFrame) -> pl.DataFrame:
    """The runs that failed, then those that diverged: with step, message and command."""
    lost = table.filter(pl.col("status").is_in(["failed", "diverged"]))
    lost = lost.sort(pl.col("status") != "failed", "job")
    columns = ["job", "status", "diverged_step", "message", "overrides"]
    known = [pl.col(c) if c in lost.columns else pl.lit(None).alias(c) for c in columns]
    return lost.select(known)


def _lost(table: pl.DataFrame, notes: list[str]) -> list[list[Any]]:
    lost = lost_runs(table)
    if len(lost) > MOST_LOST:
        notes.append(f"The table of failures and divergences lists {MOST_LOST:,} of {len(lost):,}.")
    return [list(row) for row in lost.head(MOST_LOST).iter_rows()]
