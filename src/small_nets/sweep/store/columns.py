"""The tables of a store: their columns and types, which are the same in every part."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from small_nets.config.conf_files import NOTHING, at
from small_nets.config.errors import InputError
from small_nets.config.field_types import Kind, is_integer, is_number
from small_nets.config.schema import kind_of, show
from small_nets.config.test_metrics import is_of_test
from small_nets.engines.cohort import Trained

Config = Mapping[str, Any]
# The fixed columns of a runs table, with their types. FIRST stand before the swept keys and the
# metrics, LAST behind them. A table without FIRST is broken.
FIRST: dict[str, Any] = {"run_id": pl.String, "job": pl.Int64, "status": pl.String}
LAST: dict[str, Any] = {
    "constant": pl.Float64, "best_step": pl.Int64, "diverged_step": pl.Int64, "steps": pl.Int64,
    "epochs": pl.Int64, "kept_step": pl.Int64, "stopped_rank": pl.Int64, "engine": pl.String,
    "reason": pl.String, "message": pl.String, "seconds": pl.Float64, "overrides": pl.String,
    "typed": pl.String,
}  # fmt: skip
TYPES = FIRST | LAST
COLUMNS: dict[Kind, Any] = {
    "float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "text": pl.String,
}  # fmt: skip
STATUSES = ("completed", "diverged", "failed", "stopped")
METRICS = tuple(f"{split}/{name}" for split in ("train", "val", "test")
                for name in ("loss", "accuracy"))  # fmt: skip


def column_type(key: str) -> Any:
    """The type of a swept key's column. It depends on the key alone, not on the values."""
    return COLUMNS[kind_of(key)]


def as_column(value: Any, kind: Any) -> Any:
    """A value as its column holds it. A text is what is typed on the command line.

    None where the column cannot hold the value; the column `typed` has it then.
    """
    if kind == pl.String:
        return show(value)
    if kind == pl.Boolean:
        return value if isinstance(value, bool) else None
    if not is_number(value):
        return None
    if kind == pl.Float64:
        return float(value)
    return value if is_integer(value) and abs(value) < 2**63 else None


def cell(value: Any) -> str:
    """A value of a table's row as it is typed. A text is in that form already."""
    return value if isinstance(value, str) else show(value)


def _typed(values: Mapping[str, Any], swept: Mapping[str, Any]) -> str | None:
    """The values of a failed run that no column can hold, as JSON: key -> value as typed."""
    lost = {key: show(value) for key, value in values.items()
            if value is not None and as_column(value, swept[key]) is None}  # fmt: skip
    return json.dumps(lost) if lost else None


def metric_columns(columns: Iterable[str], swept: Iterable[str]) -> list[str]:
    """The columns of a runs table that are metrics. columns: of the table. swept: keys.

    What a reader adds for itself begins with a space, and is none.
    """
    taken = {*TYPES, *swept}
    return [c for c in columns if c not in taken and not c.startswith(" ")]


def choosing_metrics(columns: Iterable[str], swept: Iterable[str]) -> list[str]:
    """The metrics that settings can be compared by: those of the test split are not among them."""
    return [m for m in metric_columns(columns, swept) if not is_of_test(m)]


def order(columns: Iterable[str], swept: Iterable[str]) -> list[str]:
    """The columns of a runs table in the order that all parts have. swept: keys."""
    keys = list(swept)
    measures = metric_columns(columns, keys)
    places = {metric: place for place, metric in enumerate(METRICS)}
    measures.sort(key=lambda m: (m.startswith("best/"), places.get(m, len(places)), m))
    return [*FIRST, *keys, *dict.fromkeys(measures), *LAST]


def runs_table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Make a runs table of rows, without the swept keys, which `with_swept` adds."""
    columns = order({key for row in rows for key in row}, ())
    schema = {c: TYPES.get(c, pl.Float64) for c in columns}
    return pl.DataFrame({c: [r.get(c) for r in rows] for c in columns}, schema=schema)


def value_of(key: str, config: Config, choices: Config) -> Any:
    """The value of a swept key: a group's choice or a config value; None where it has none."""
    found = choices[key] if key in choices else at(config, key.split("."))
    return None if found is NOTHING else found


def with_swept(
    table: pl.DataFrame, swept: Mapping[str, Any], configs: Mapping[str, tuple[Config, Config]]
) -> pl.DataFrame:
    """Add a column to a runs table for each swept key, filled from the runs' configs.

    swept: key -> type of its column. configs: run_id -> (resolved config, choices).
    """
    ids = table["run_id"].to_list()
    columns = {key: [value_of(key, *configs[i]) for i in ids] for key in swept}
    # Only a failed run can have a value of a wrong type.
    typed = [_typed({k: columns[k][place] for k in swept}, swept) if status == "failed" else None
             for place, status in enumerate(table["status"])]  # fmt: skip
    return table.with_columns(
        *(pl.Series(key, [as_column(v, kind) for v in columns[key]], dtype=kind)
          for key, kind in swept.items()),
        pl.Series("typed", typed, dtype=pl.String),
    )  # fmt: skip


def conform(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The table with exactly these columns in this order. Missing ones are null."""
    missing = [
        pl.lit(None, TYPES.get(c, pl.Float64)).alias(c) for c in columns if c not in table.columns
    ]
    return table.with_columns(missing).select(columns)


def curves_table(run_ids: Sequence[str], trained: Trained) -> pl.DataFrame:
    """The curves of trained members: run_id, step, metrics. One row a run and logged point.

    A member that diverged between two logged points has a last row at that step.
    """
    points = np.asarray(trained.points, dtype=np.int64)
    ends = trained.steps.numpy()
    whole = points[None, :] <= ends[:, None]  # (members, points)
    ends_on_point = (points[None, :] == ends[:, None]).any(axis=1)
    member, point = np.nonzero(whole)
    between = np.flatnonzero(~ends_on_point)
    ids = np.asarray(run_ids)
    data = {
        "run_id": np.concatenate([ids[member], ids[between]]),
        "step": np.concatenate([points[point], ends[between]]),
    }
    for name, values in trained.curves.items():
        curve = values.numpy()
        data[name] = np.concatenate([curve[point, member], trained.last[name].numpy()[between]])
    table = pl.DataFrame(data)
    place = np.concatenate([member, between])
    return table[np.lexsort((data["step"], place))]


def refuse_rows(table: pl.DataFrame, runs: int, about: Mapping[str, Any]) -> None:
    """Raises ValueError for a runs table that does not fit the sweep.

    runs: their number by the manifest. about: the store's.
    """
    for name in FIRST:
        if name not in table.columns or table[name].null_count():
            raise ValueError(f"a row has no {name}")
    for name, kind in table.schema.items():
        if name in TYPES:
            is_right = kind == TYPES[name]
        else:
            is_right = kind.is_numeric() or (
                name in about["swept"] and kind in (pl.String, pl.Boolean, pl.Null)
            )
        if not is_right:
            raise ValueError(f"its column {name} has the type {kind}")
    if not set(table["status"].unique()) <= set(STATUSES):
        raise ValueError("a run has an unknown status")
    if len(table) != runs or table["run_id"].n_unique() != len(table):
        raise ValueError(f"it has {len(table):,} rows, and its manifest {runs:,} runs")
    jobs = about["jobs"]
    for run_id, number in table.select("run_id", "job").iter_rows():
        if jobs.get(run_id) != number:
            raise ValueError(f"its run {run_id} is not run {number} of sweep.json")


def no_job(table: pl.DataFrame, job: int) -> InputError:
    """The error for a job number that a sweep does not have. table: its runs."""
    known = sorted(table["job"].to_list())
    if not known:
        return InputError(f"there is no run {job}: the sweep has no runs")
    near = ", ".join(map(str, sorted(sorted(known, key=lambda k: abs(k - job))[:4])))
    return InputError(
        f"there is no run {job}: the sweep has {len(known):,} runs, numbered within {known[0]} to "
        f"{known[-1]}.\nThe nearest are {near}"
    )
