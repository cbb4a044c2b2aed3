"""Reads the parts of a store, and compares each file with its digest in the manifest first.

A broken file is noted and left out, and nothing is raised for it. So a report uses what is whole,
and can name what it lacks.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from polars.exceptions import PanicException, PolarsError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from small_nets.run.outputs.tensor_files import read_tensors
from small_nets.sweep.store.columns import Config, refuse_rows
from small_nets.sweep.store.manifest import (
    MANIFESTS,
    OUR_PART,
    Manifest,
    file_digest,
    manifest_file,
    manifest_names,
    part_file,
    read_manifest,
)
from small_nets.system.sealed_json import read_json

_CANNOT = (PolarsError, PanicException, SafetensorError, OSError, ValueError)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Broken:
    """A file of a store that differs from what was written. runs: how many its part has."""

    path: Path
    why: str
    runs: int | None = None

    def __str__(self) -> str:
        runs = "" if self.runs is None else f" ({self.runs:,} run{'s' if self.runs > 1 else ''})"
        return f"{self.path} {self.why}{runs}"


class CheckedParts:
    """The files of a store, each checked before it is read.

    about: returns the store's `about`. broken: (part, kind) -> a broken file that was met. The
    kind of a manifest is MANIFESTS.
    """

    def __init__(self, directory: Path, about: Callable[[], Mapping[str, Any]]) -> None:
        self.directory, self._about = directory, about
        self.broken: dict[tuple[str, str], Broken] = {}
        self._sound: dict[str, tuple[str, ...]] = {}  # part -> digests of rows that passed

    def parts(self) -> list[str]:
        """The names of the complete parts, in order."""
        found = map(self.manifest, manifest_names(self.directory))
        return [manifest.part for manifest in found if manifest is not None and manifest.is_whole]

    def manifest(self, part: str) -> Manifest | None:
        """The manifest of a part; None where there is none, or it is broken."""
        path = manifest_file(self.directory, part)
        try:
            found = read_manifest(self.directory, part)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            self._break(part, MANIFESTS, path, f"is broken: {error}")
            return None
        if found.sweep != self._about()["token"]:
            self._break(part, MANIFESTS, path, "belongs to another sweep")
            return None
        return found

    def strays(self) -> list[Path]:
        """Files below runs/ that are named like parts, and have no manifest."""
        known = set(manifest_names(self.directory))
        paths = sorted((self.directory / "runs").glob("*.parquet"))
        return [p for p in paths if OUR_PART.fullmatch(p.stem) and p.stem not in known]

    def lost(self) -> list[Broken]:
        """The broken files that were met, and parts without their manifests."""
        lost = [Broken(path, f"has lost its manifest ({MANIFESTS}/{path.stem}.json)")
                for path in self.strays()]  # fmt: skip
        return [*self.broken.values(), *lost]

    def file(self, part: str, kind: str) -> Path | None:
        """The path of a part's file; None where the part has no such file, or it is broken."""
        if (part, kind) in self.broken:
            return None
        path = part_file(self.directory, kind, part)
        why = self._wrong(part, kind, path)
        if why:  # another process may have replaced it meanwhile: look again
            why = self._wrong(part, kind, path)
        if why is None:
            return path
        if why:
            self._break(part, kind, path, why)
        return None

    def _wrong(self, part: str, kind: str, path: Path) -> str | None:
        """What is wrong with a file: None for nothing, "" where the part has no such file."""
        manifest = self.manifest(part)
        if manifest is None or kind not in manifest.files:
            return ""
        try:
            is_right = file_digest(path) in manifest.files[kind]
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if is_right:
            return None
        return "is empty" if path.stat().st_size == 0 else "was changed after it was written"

    def _break(self, part: str, kind: str, path: Path, why: str) -> None:
        runs = None
        if kind != MANIFESTS and (manifest := self.manifest(part)) is not None:
            runs = manifest.runs
        self.broken.setdefault((part, kind), Broken(path, why, runs))

    def _read(self, part: str, kind: str, read: Callable[[Path], Found]) -> Found | None:
        if (path := self.file(part, kind)) is None:
            return None
        try:
            return read(path)
        except _CANNOT as error:  # its digest is right, so it was written like this
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._break(part, kind, path, f"is not in the form that this program writes: {text}")
            return None

    def rows(self, part: str, columns: Sequence[str] | None = None) -> pl.DataFrame | None:
        """A part's runs table, or the columns of these that it has; None where it is broken."""
        manifest = self.manifest(part)
        if manifest is None:
            return None
        version = manifest.files.get("runs", ())
        if not version:
            self._break(part, MANIFESTS, manifest_file(self.directory, part), "names no rows")
            return None

        def read(path: Path) -> pl.DataFrame:
            if self._sound.get(part) != version:
                refuse_rows(_scan(path).collect(), manifest.runs, self._about())
                self._sound[part] = version
            return _of(_scan(path), columns).collect()

        return self._read(part, "runs", read)

    def curves(
        self, part: str, columns: Sequence[str] | None = None, ids: Collection[str] | None = None
    ) -> pl.DataFrame | None:
        """A part's curves of all runs, or of these; None where they are broken or missing."""

        def read(path: Path) -> pl.DataFrame:
            rows = _scan(path)
            there = rows.collect_schema()
            for name, type_ in there.items():
                is_right = type_ == pl.String if name == "run_id" else type_.is_numeric()
                if not is_right:
                    raise ValueError(f"its column {name} has the type {type_}")
            if "run_id" not in there or "step" not in there:
                raise ValueError("it has no run_id, or no step")
            return _of(rows if ids is None else rows.filter(_are(ids)), columns).collect()

        return self._read(part, "curves", read)

    def configs(
        self, part: str, ids: Collection[str] | None = None
    ) -> dict[str, tuple[Config, Config]] | None:
        """run_id -> (resolved config, choices), to be checked before use; None where broken."""

        def read(path: Path) -> dict[str, tuple[Config, Config]]:
            table = _scan(path).collect()
            if table.columns != ["run_id", "config", "choices"]:
                raise ValueError(f"its columns are {', '.join(table.columns)}")
            if set(table.dtypes) != {pl.String}:
                raise ValueError("its columns are not texts")
            rows = table if ids is None else table.filter(_are(ids))
            return {i: (read_json(config), read_json(choices))
                    for i, config, choices in rows.iter_rows()}  # fmt: skip

        return self._read(part, "configs", read)

    def tensors(self, part: str, kind: str) -> tuple[list[str], dict[str, Tensor], str] | None:
        """The run_ids of a part's tensors, name -> tensor (runs, …), a header; None if broken."""

        def read(path: Path) -> tuple[list[str], dict[str, Tensor], str]:
            tensors, about = read_tensors(path)
            ids = json.loads(about.get("run_ids", "null"))
            if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
                raise ValueError("it does not say whose weights it holds")
            if any(t.ndim < 1 or len(t) != len(ids) for t in tensors.values()):
                raise ValueError(f"its tensors are not those of {len(ids):,} runs")
            return ids, tensors, about.get("header", "null")

        return self._read(part, kind, read)

    def look_at_all(self, kinds: Iterable[str]) -> None:
        """Find the broken and the missing files of these kinds."""
        for part in self.parts():
            manifest, rows = self.manifest(part), self.rows(part, ["run_id", "status"])
            if manifest is None or rows is None:
                continue
            trained = rows.filter(pl.col("status") != "failed")["run_id"]
            needs = {"configs": rows["run_id"], "curves": trained, "weights": trained}
            for kind in kinds:
                if kind in manifest.files:
                    self._refuse_lack(part, kind, set(needs.get(kind, ())))
                elif len(needs.get(kind, ())):
                    self._break(part, kind, part_file(self.directory, kind, part), "is missing")

    def _refuse_lack(self, part: str, kind: str, ids: set[str]) -> None:
        def read(path: Path) -> None:
            if kind in ("weights", "paused"):
                with safe_open(path, framework="pt") as file:
                    there = set(json.loads((file.metadata() or {}).get("run_ids", "[]")))
            elif kind == "configs":
                there = set(_scan(path).select("run_id").collect()["run_id"])
            else:  # a run without a curve has none to be shown
                return
            if not ids <= there:
                raise ValueError("it lacks runs that the table has")

        self._read(part, kind, read)


def _scan(path: Path) -> pl.LazyFrame:
    """A Parquet file. The path is taken literally: polars would expand patterns and a first ~."""
    return pl.scan_parquet(path.absolute(), glob=False)


def _are(ids: Collection[str]) -> pl.Expr:
    return pl.col("run_id").is_in(list(ids))


def _of(rows: pl.LazyFrame, columns: Sequence[str] | None) -> pl.LazyFrame:
    """Those of these columns that the table has, in its order."""
    known = rows.collect_schema().names()
    return rows if columns is None else rows.select(c for c in known if c in columns)
