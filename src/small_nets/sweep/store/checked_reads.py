"""Reads the parts of a store, each file compared with its manifest's digest before it is believed.

What is broken is remembered, and left out; nothing is raised for it. So a report goes on with what
is whole, and can say what it went without.
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
    """A file of a store that is not what was written. runs: how many of them its part has."""

    path: Path
    why: str
    runs: int | None = None

    def __str__(self) -> str:
        runs = "" if self.runs is None else f" ({self.runs:,} run{'s' if self.runs > 1 else ''})"
        return f"{self.path} {self.why}{runs}"


class CheckedParts:
    """What can be believed of a store's files.

    about: the store's, see `about`. broken: what was met that is not, by part and kind; a kind of
    its own is the manifest.
    """

    def __init__(self, directory: Path, about: Callable[[], Mapping[str, Any]]) -> None:
        self.directory, self._about = directory, about
        self.broken: dict[tuple[str, str], Broken] = {}
        self._sound: dict[str, tuple[str, ...]] = {}  # parts with good rows

    def parts(self) -> list[str]:
        """The parts that are there, in order."""
        found = map(self.manifest, manifest_names(self.directory))
        return [manifest.part for manifest in found if manifest is not None and manifest.is_whole]

    def manifest(self, part: str) -> Manifest | None:
        """Of a part of this store; None where there is none, or it is broken."""
        path = manifest_file(self.directory, part)
        try:
            found = read_manifest(self.directory, part)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            self._break(part, MANIFESTS, path, f"cannot be believed: {error}")
            return None
        if found.sweep != self._about()["token"]:
            self._break(part, MANIFESTS, path, "belongs to another sweep")
            return None
        return found

    def strays(self) -> list[Path]:
        """Files below runs/ that have the form of ours, and no manifest (any more)."""
        known = set(manifest_names(self.directory))
        paths = sorted((self.directory / "runs").glob("*.parquet"))
        return [p for p in paths if OUR_PART.fullmatch(p.stem) and p.stem not in known]

    def lost(self) -> list[Broken]:
        """What was met that is broken, and parts that have lost their manifests."""
        lost = [Broken(path, f"has lost its manifest ({MANIFESTS}/{path.stem}.json)")
                for path in self.strays()]  # fmt: skip
        return [*self.broken.values(), *lost]

    def file(self, part: str, kind: str) -> Path | None:
        """A part's file that is as it was written; None where the part has none, or it is not."""
        if (part, kind) in self.broken:
            return None
        path = part_file(self.directory, kind, part)
        why = self._wrong(part, kind, path)
        if why:  # another process may have replaced it between two looks
            why = self._wrong(part, kind, path)
        if why is None:
            return path
        if why:
            self._break(part, kind, path, why)
        return None

    def _wrong(self, part: str, kind: str, path: Path) -> str | None:
        """What is wrong with a file; "" where the part has none of that kind."""
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
        except _CANNOT as error:  # it was written so, by whomever
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._break(part, kind, path, f"is none that this program writes: {text}")
            return None

    def rows(self, part: str, columns: Sequence[str] | None = None) -> pl.DataFrame | None:
        """Columns of a part's runs table, those that it has; None where it cannot be believed."""
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
        """Of a part's curves: these columns, those that it has, of these runs or of all."""

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
        """run_id -> (resolved config, choices), as they are stored: to be checked before use."""

        def read(path: Path) -> dict[str, tuple[Config, Config]]:
            table = _scan(path).collect()
            if table.columns != ["run_id", "config", "choices"]:
                raise ValueError(f"its columns are {', '.join(table.columns)}")
            if set(table.dtypes) != {pl.String}:
                raise ValueError("its columns are no texts")
            rows = table if ids is None else table.filter(_are(ids))
            return {i: (read_json(config), read_json(choices))
                    for i, config, choices in rows.iter_rows()}  # fmt: skip

        return self._read(part, "configs", read)

    def tensors(self, part: str, kind: str) -> tuple[list[str], dict[str, Tensor], str] | None:
        """The runs of a part in the order of its tensors' first axis, the tensors, and a header."""

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
        """Find what is broken among the files of these kinds, and which should be there."""
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
    """A Parquet file. Its path is a name, and no pattern; polars takes a first ~ for a home."""
    return pl.scan_parquet(path.absolute(), glob=False)


def _are(ids: Collection[str]) -> pl.Expr:
    return pl.col("run_id").is_in(list(ids))


def _of(rows: pl.LazyFrame, columns: Sequence[str] | None) -> pl.LazyFrame:
    """These columns, those that there are, in the table's order."""
    known = rows.collect_schema().names()
    return rows if columns is None else rows.select(c for c in known if c in columns)
