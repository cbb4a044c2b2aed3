"""Repairs a store: one schema, one row for each run, nothing that a killed process left.

Only sound parts are rewritten. Broken ones stay as they are, or are moved to corrupt/. Files are
deleted only where the manifest of an unfinished part names them with their digests, and so are the
temporary files of such parts. Any other file in these folders stays.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from small_nets.sweep.store.checked_reads import CheckedParts
from small_nets.sweep.store.columns import conform, order, with_swept
from small_nets.sweep.store.manifest import (
    CORRUPT,
    KINDS,
    MANIFESTS,
    OUR_PART,
    OUR_TEMPORARY,
    SWEEP_KINDS,
    delete_known,
    manifest_file,
    manifest_names,
    part_file,
    refuse_links,
    remove_part,
    rewrite,
    settle_digests,
)
from small_nets.sweep.store.part import table_bytes
from small_nets.system.atomic_file import free_name

WORTH = {"failed": 0, "stopped": 1}  # statuses of runs that may be replaced, the worst first


def worth() -> pl.Expr:
    """The worth of a row. Of two rows of one run the one with the greater worth counts."""
    return pl.col("status").replace_strict(WORTH, default=len(WORTH), return_dtype=pl.Int8)


def drop(store: CheckedParts, ids: Collection[str], parts: Collection[str]) -> None:
    """Remove runs and their curves from parts, because other parts have them, too."""
    gone = pl.col("run_id").is_in(list(ids))
    for part in parts:
        manifest, rows = store.manifest(part), store.rows(part)
        if manifest is None or rows is None or not rows.select(gone.any()).item():
            continue
        kept = rows.filter(~gone)
        if kept.is_empty():
            remove_part(store.directory, manifest)
            continue
        files = {"runs": table_bytes(kept)}
        if (curves := store.curves(part)) is not None:
            files["curves"] = table_bytes(curves.filter(~gone))
        rewrite(store.directory, manifest, len(kept), files)


def drop_duplicates(store: CheckedParts) -> dict[str, str]:
    """Keep the better row of each run that is stored twice, as after a killed replacement.

    Returns run_id -> part of the runs that failed or were stopped, and so may be replaced.
    """
    tables = [
        rows.with_columns(pl.lit(part).alias("part"))
        for part in store.parts()
        if (rows := store.rows(part, ["run_id", "status"])) is not None
    ]
    if not tables:
        return {}
    rows = pl.concat(tables).with_columns(worth().alias("worth")).sort("worth", "part")
    best = pl.col("run_id").is_last_distinct()
    for (part,), worse in rows.filter(~best).group_by("part"):
        drop(store, worse["run_id"].to_list(), [str(part)])
    replaceable = rows.filter(best & (pl.col("worth") < len(WORTH)))
    return dict(replaceable.select("run_id", "part").iter_rows())


def align(
    store: CheckedParts, swept: Mapping[str, Any], parts: Sequence[str] | None = None,
    known: Sequence[str] = (),
) -> list[str] | None:  # fmt: skip
    """Give all parts one schema, as after a new swept key or metric, or after a kill.

    swept: key -> type of its column. parts: which to change; None for all. known: columns that
    they have to have. Returns the columns, or None where there is no part.
    """
    names = store.parts() if parts is None else parts
    tables = {p: rows for p in names if (rows := store.rows(p)) is not None}
    columns = order({*known, *(c for t in tables.values() for c in t.columns)}, swept)
    for part, table in tables.items():
        if table.columns == columns and all(table.schema[k] == swept[k] for k in swept):
            continue
        manifest, configs = store.manifest(part), store.configs(part)
        if manifest is not None and configs is not None and set(table["run_id"]) <= set(configs):
            whole = conform(with_swept(table, swept, configs), columns)
            rewrite(store.directory, manifest, len(whole), {"runs": table_bytes(whole)})
    return columns if tables else None


def clean(store: CheckedParts) -> None:
    """Remove what a killed process left, and make the folders that every store has.

    Raises InputError where one of them is a link.
    """
    refuse_links(store.directory)
    for kind in (*SWEEP_KINDS, MANIFESTS):
        (store.directory / kind).mkdir(parents=True, exist_ok=True)
    known = set(manifest_names(store.directory))
    for folder in (*KINDS, MANIFESTS):
        for path in (store.directory / folder).glob("*.tmp"):
            found = OUR_TEMPORARY.fullmatch(path.name)
            # A manifest is written first, so its temporary file may belong to no known part.
            if found and (
                found[1] in known or (folder == MANIFESTS and OUR_PART.fullmatch(found[1]))
            ):
                path.unlink()
    for manifest in filter(None, map(store.manifest, sorted(known))):
        if manifest.is_whole:
            settle_digests(store.directory, manifest)
            continue
        for kind in manifest.files:
            delete_known(store.directory, manifest, kind)
        manifest_file(store.directory, manifest.part).unlink()


def move_aside(directory: Path, part: str) -> None:
    """Move a part's files and its manifest to corrupt/. Files that lie there already stay."""
    refuse_links(directory)
    aside = directory / CORRUPT
    aside.mkdir(exist_ok=True)
    paths = {MANIFESTS: manifest_file(directory, part)}  # first: without it there is no part
    paths |= {kind: part_file(directory, kind, part) for kind in KINDS}
    for kind, path in paths.items():
        if path.exists() or path.is_symlink():
            path.replace(free_name(aside / f"{kind}_{path.name}"))
