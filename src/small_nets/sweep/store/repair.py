"""Keeps a store sound: one schema, one row for each run, nothing that a killed process left.

Written are only parts that can be believed; what is broken is left as it is, or moved aside.
Deleted is only what the manifest of a part that was never finished names, with the content that it
names, and temporary files of such parts: a file of the user's own that lies beside them stays.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from small_nets.sweep.store.checked_reads import CheckedParts
from small_nets.sweep.store.columns import conform, order, with_swept
from small_nets.sweep.store.manifest import (
    ASIDE,
    EVERYWHERE,
    KINDS,
    MANIFESTS,
    OUR_PART,
    OUR_TEMPORARY,
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

WORTH = {"failed": 0, "stopped": 1}  # of what is not final, the less, the sooner it is replaced


def worth() -> pl.Expr:
    """Which of two rows of one run counts: the greater."""
    return pl.col("status").replace_strict(WORTH, default=len(WORTH), return_dtype=pl.Int8)


def drop(store: CheckedParts, ids: Collection[str], parts: Collection[str]) -> None:
    """Take runs, and their curves, out of parts: they are stored elsewhere too."""
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
    """Of a run stored twice (a process was killed as it replaced one) keep the better.

    Returns the part of each run that failed, or was stopped, and so may be replaced.
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
    """Give all parts one schema: after a new swept key or metric, or a process that died.

    parts: only these, which are to have the `known` columns. Returns the columns, None where
    there is no part.
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
    """Remove what a killed process left. Makes the folders that every store has.

    Raises InputError where one of them is a link.
    """
    refuse_links(store.directory)
    for kind in (*EVERYWHERE, MANIFESTS):
        (store.directory / kind).mkdir(parents=True, exist_ok=True)
    known = set(manifest_names(store.directory))
    for folder in (*KINDS, MANIFESTS):
        for path in (store.directory / folder).glob("*.tmp"):
            found = OUR_TEMPORARY.fullmatch(path.name)
            # A manifest's own is the first of all that is written.
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
    """Move a part's files, and its manifest, to corrupt/, whatever lies there already."""
    refuse_links(directory)
    aside = directory / ASIDE
    aside.mkdir(exist_ok=True)
    paths = {MANIFESTS: manifest_file(directory, part)}  # first: without it the part is gone
    paths |= {kind: part_file(directory, kind, part) for kind in KINDS}
    for kind, path in paths.items():
        if path.exists() or path.is_symlink():
            path.replace(free_name(aside / f"{kind}_{path.name}"))
