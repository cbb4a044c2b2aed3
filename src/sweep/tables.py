"""The tables of a store: their columns, types and order, the same in every part file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from src.engines.cohort import Trained
from src.errors import InputError
from src.values import show

Config = Mapping[str, Any]
FIRST = ("run_id", "job", "status")
LAST = (
    *("best_step", "diverged_step", "steps", "epochs", "kept_step", "stopped_rank"),
    *("engine", "reason", "message", "seconds", "overrides"),
)
TYPES: dict[str, Any] = {
    "run_id": pl.String, "job": pl.Int64, "status": pl.String,
    "best_step": pl.Int64, "diverged_step": pl.Int64, "steps": pl.Int64, "epochs": pl.Int64,
    "kept_step": pl.Int64, "stopped_rank": pl.Int64, "engine": pl.String, "reason": pl.String,
    "message": pl.String, "seconds": pl.Float64, "overrides": pl.String,
}  # fmt: skip
METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


def column_type(names: Iterable[str]) -> Any:
    """The type of a swept setting's column, by the types of its values: text where mixed."""
    found = set(names)
    if found == {"bool"}:
        return pl.Boolean
    if found == {"int"}:
        return pl.Int64
    return pl.Float64 if found and found <= {"int", "float"} else pl.String


def as_column(value: Any, kind: Any) -> Any:
    """A setting as its column holds it: text as it is typed on the command line."""
    if kind == pl.String:
        return value if isinstance(value, str) else show(value)
    if value is None:
        return None
    return float(value) if kind == pl.Float64 else value


def metric_columns(columns: Iterable[str], swept: Iterable[str]) -> list[str]:
    """Those of the runs table that measure a run."""
    taken = {*FIRST, *LAST, *swept}
    return [c for c in columns if c not in taken]


def order(columns: Iterable[str], swept: Iterable[str]) -> list[str]:
    """One order for all part files, whichever was written first."""
    keys = list(swept)
    rest = set(columns) - {*FIRST, *LAST, *keys}
    usual = [m for m in METRICS if m in rest]
    others = sorted(m for m in rest - set(usual) if not m.startswith("best/"))
    best = sorted(m for m in rest if m.startswith("best/"))
    return [*FIRST, *keys, *usual, *others, *best, *LAST]


def runs_table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows to a table with every column typed; swept settings come later."""
    columns = order({key for row in rows for key in row}, ())
    schema = {c: TYPES.get(c, pl.Float64) for c in columns}
    return pl.DataFrame({c: [r.get(c) for r in rows] for c in columns}, schema=schema)


def value_of(key: str, config: Config, choices: Config) -> Any:
    """A swept key's value: a group's choice, or the setting; None where there is none."""
    if key in choices:
        return choices[key]
    found: Any = config
    for word in key.split("."):
        if not isinstance(found, Mapping) or word not in found:
            return None
        found = found[word]
    return found


def with_swept(
    table: pl.DataFrame, swept: Mapping[str, Any], configs: Mapping[str, tuple[Config, Config]]
) -> pl.DataFrame:
    """The runs table with a column for each swept key, filled from the runs' configs.

    swept: key -> type of its column. configs: run_id -> (resolved config, choices).
    """
    ids = table["run_id"].to_list()
    return table.with_columns(
        pl.Series(key, [as_column(value_of(key, *configs[i]), kind) for i in ids], dtype=kind)
        for key, kind in swept.items()
    )


def conform(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The same table with these columns in this order; what it lacks is null."""
    missing = [
        pl.lit(None, TYPES.get(c, pl.Float64)).alias(c) for c in columns if c not in table.columns
    ]
    return table.with_columns(missing).select(columns)


def curves_table(run_ids: Sequence[str], trained: Trained) -> pl.DataFrame:
    """One row per run and logged point: run_id, step and the metrics there."""
    points = np.asarray(trained.points, dtype=np.int64)
    ends = trained.steps.numpy()
    whole = points[None, :] <= ends[:, None]  # (members, points)
    on_grid = (points[None, :] == ends[:, None]).any(axis=1)
    member, point = np.nonzero(whole)
    fallen = np.flatnonzero(~on_grid)
    ids = np.asarray(run_ids)
    data = {
        "run_id": np.concatenate([ids[member], ids[fallen]]),
        "step": np.concatenate([points[point], ends[fallen]]),
    }
    for name, values in trained.curves.items():
        curve = values.numpy()
        data[name] = np.concatenate([curve[point, member], trained.last[name].numpy()[fallen]])
    table = pl.DataFrame(data)
    place = np.concatenate([member, fallen])
    return table[np.lexsort((data["step"], place))]


def no_job(table: pl.DataFrame, job: int) -> InputError:
    """The error for a job that a sweep does not have; numbers may have gaps."""
    known = sorted(table["job"].to_list())
    near = ", ".join(map(str, sorted(sorted(known, key=lambda k: abs(k - job))[:4])))
    return InputError(
        f"there is no run {job}: the sweep has {len(known):,} runs, numbered within {known[0]} to "
        f"{known[-1]}.\nThe nearest are {near}"
    )
