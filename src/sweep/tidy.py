"""Keeps the runs tables of a store alike: one schema, and one row for each run."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from src.sweep.files import part_file, part_names, write_whole
from src.sweep.tables import conform, order, with_swept

WORTH = {"failed": 0, "stopped": 1}  # of what is not final, the less, the sooner it is replaced


def drop(directory: Path, ids: Collection[str], parts: Collection[str]) -> None:
    """Take runs, and their curves, out of parts: they are stored elsewhere too."""
    for part in parts:
        for kind in ("curves", "runs"):  # the rows last: until then this can be done again
            path = part_file(directory, kind, part)
            if not path.exists():
                continue
            table = pl.read_parquet(path)
            kept = table.filter(~pl.col("run_id").is_in(list(ids)))
            if len(kept) == 0 and kind == "runs":
                path.unlink()
            elif len(kept) < len(table):
                write_whole(path, lambda p, kept=kept: kept.write_parquet(p))


def drop_duplicates(directory: Path) -> dict[str, str]:
    """Of a run stored twice (a process was killed as it replaced one) keep the better.

    Returns the part of each run that failed, or was stopped, and so may be replaced.
    """
    tables = [
        pl.read_parquet(
            part_file(directory, "runs", part), columns=["run_id", "status"]
        ).with_columns(pl.lit(part).alias("part"))
        for part in part_names(directory)
    ]
    if not tables:
        return {}
    worth = pl.col("status").replace_strict(WORTH, default=len(WORTH), return_dtype=pl.Int8)
    rows = pl.concat(tables).with_columns(worth.alias("worth")).sort("worth", "part")
    best = pl.col("run_id").is_last_distinct()
    for (part,), worse in rows.filter(~best).group_by("part"):
        drop(directory, worse["run_id"].to_list(), [str(part)])
    replaceable = rows.filter(best & (pl.col("worth") < len(WORTH)))
    return dict(replaceable.select("run_id", "part").iter_rows())


def align(
    directory: Path, swept: Mapping[str, Any], parts: Sequence[str] | None = None,
    known: Sequence[str] = (),
) -> list[str] | None:  # fmt: skip
    """Give all parts one schema: after a new swept key or metric, or a process that died.

    parts: only these, which are to have the `known` columns. Returns the columns, None where
    there is no part.
    """
    names = part_names(directory) if parts is None else parts
    tables = {p: pl.read_parquet(part_file(directory, "runs", p)) for p in names}
    columns = order({*known, *(c for t in tables.values() for c in t.columns)}, swept)
    for part, table in tables.items():
        if table.columns == columns and all(table.schema[k] == swept[k] for k in swept):
            continue
        rows = pl.read_parquet(part_file(directory, "configs", part)).iter_rows()
        configs = {i: (json.loads(config), json.loads(choices)) for i, config, choices in rows}
        whole = conform(with_swept(table, swept, configs), columns)
        write_whole(
            part_file(directory, "runs", part), lambda p, whole=whole: whole.write_parquet(p)
        )
    return columns if tables else None
