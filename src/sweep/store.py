"""A sweep on disk: append a part, read all, go on after any end.

sweep.json                what this sweep is, its swept keys, the job number of each run
runs/PART.parquet         one row per run
curves/PART.parquet       one row per run and logged point
configs/PART.parquet      run_id, the resolved config and the choices, as JSON
weights/PART.safetensors  final weights and normalisers, stacked
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from src.errors import InputError
from src.sweep.about import new_about, read_about, write_about
from src.sweep.files import clean, corrupt_file, move_aside, part_file, part_names
from src.sweep.packed import Part, pack
from src.sweep.tables import Config, column_type, value_of
from src.sweep.tidy import align, drop, drop_duplicates
from src.tensors import read_tensors


class Store:
    """The store in one directory. Raises InputError where the directory holds no such store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._corrupt: dict[str, Path] = {}  # part -> the file that cannot be read
        self._open: dict[str, str] = {}  # run -> the part of one that failed, or was stopped
        self._columns: list[str] | None = None  # of every part
        self.adopted: set[str] = set()  # runs that this process has stored
        self.about = new_about()
        if self.exists:
            self.about = read_about(directory)
        elif (directory / "runs").exists():
            raise InputError(f"{directory} has runs, but no sweep.json: it is no whole store.\n"
                             "Fix: another sweep.dir")  # fmt: skip

    @property
    def exists(self) -> bool:
        """Whether a sweep was stored here before."""
        return (self.directory / "sweep.json").is_file()

    def refuse_other(self, experiments: Sequence[str]) -> None:
        """Raises InputError where the directory holds a sweep of something else, or a run."""
        is_run = (self.directory / "result.json").exists()  # whose pictures would be overwritten
        if is_run or self.directory.is_file():
            what = "the directory of a single run" if is_run else "a file"
            raise InputError(f"sweep.dir={self.directory} is {what}.\nFix: another sweep.dir")
        stored = self.about["experiments"]
        if stored and experiments and not set(stored) & set(experiments):
            raise InputError(
                f"sweep.dir={self.directory} holds a sweep of {', '.join(stored)}, and this is "
                f"one of {', '.join(experiments)}.\nFix: another sweep.dir, or none: each sweep "
                "gets one of its own"
            )

    def begin(
        self,
        experiments: Sequence[str],
        swept: Mapping[str, set[type]],
        run_ids: Mapping[str, int],
        **more: Any,
    ) -> None:
        """Note what will be swept, and give every new run its number, before any training.

        swept: key -> the types of its values; run_ids: run -> its place in the command. A run
        keeps the number that it got first; one whose place is taken gets the next free one.
        """
        jobs: dict[str, int] = self.about["jobs"]
        taken = set(jobs.values())
        free = max([*taken, *run_ids.values(), -1]) + 1
        for run_id, place in run_ids.items():
            if run_id not in jobs:
                if place in taken:
                    place, free = free, free + 1
                jobs[run_id] = place
                taken.add(place)
        kinds = {key: set(names) for key, names in self.about["swept"].items()}
        new = [key for key in swept if key not in kinds]
        for key, types in swept.items():
            kinds.setdefault(key, set()).update(t.__name__ for t in types)
        if new:  # the runs that are there have a value of it too
            for config, choices in self.configs().values():
                for key in new:
                    kinds[key].add(type(value_of(key, config, choices)).__name__)
        self.about |= {
            "experiments": sorted({*self.about["experiments"], *experiments}),
            "swept": {key: sorted(names) for key, names in kinds.items()},
        } | more
        write_about(self.directory, self.about)
        clean(self.directory)
        self.drop_duplicates()
        self._columns = align(self.directory, self.swept)

    def drop_duplicates(self) -> None:
        """One row for each run, whoever has written another: a job that was taken for lost, say."""
        self._open = drop_duplicates(self.directory)

    def note_training(self, runs: int, seconds: float) -> None:
        """How long a command has trained, for whoever asks for the pace."""
        self.about.setdefault("trained", []).append({"runs": runs, "seconds": seconds})
        write_about(self.directory, self.about)

    def done(self) -> set[str]:
        """The runs that have come to their end: those in whole parts that did not fail."""
        for part in self.parts():
            culprit = corrupt_file(self.directory, part)
            if culprit is not None:
                self._corrupt[part] = culprit
        return self._ids(~pl.col("status").is_in(["failed", "stopped"]))

    def stopped(self) -> set[str]:
        """The runs that halving has stopped, of parts that `done` has found to be whole."""
        return self._ids(pl.col("status") == "stopped")

    def _ids(self, wanted: pl.Expr) -> set[str]:
        found: set[str] = set()
        for part in self.parts():
            if part not in self._corrupt:
                table = pl.read_parquet(self._file("runs", part), columns=["run_id", "status"])
                found |= set(table.filter(wanted)["run_id"])
        return found

    def trained(self, ids: Collection[str]) -> int:
        """How many of these runs are stored and did not fail."""
        table = self.read(columns=["run_id", "status"]).filter(pl.col("status") != "failed")
        return len(set(ids).intersection(table["run_id"]))

    def heal(self) -> list[Path]:
        """Move the corrupt parts that `done` met aside; the files that were to blame."""
        for part in self._corrupt:
            move_aside(self.directory, part)
        return list(self._corrupt.values())

    @property
    def swept(self) -> dict[str, Any]:
        """The swept keys and the types of their columns."""
        return {key: column_type(names) for key, names in self.about["swept"].items()}

    def number(self, run_id: str) -> int:
        """The job number of a run."""
        return self.about["jobs"][run_id]

    def parts(self) -> list[str]:
        """The names of the parts, in order."""
        return part_names(self.directory)

    def _file(self, kind: str, part: str) -> Path:
        return part_file(self.directory, kind, part)

    def read(self, kind: str = "runs", columns: list[str] | None = None) -> pl.DataFrame:
        """All parts of a table as one, runs ordered by job. An empty one where there are none."""
        files = [path for part in self.parts() if (path := self._file(kind, part)).exists()]
        if not files:
            empty = {"run_id": pl.String, "job": pl.Int64, "status": pl.String}
            return pl.DataFrame(schema=empty)
        known = [None if columns is None else [c for c in pl.read_parquet_schema(path)
                 if c in columns] for path in files]  # fmt: skip
        tables = [pl.read_parquet(p, columns=c) for p, c in zip(files, known, strict=True)]
        found = pl.concat(tables, how="diagonal_relaxed")
        return found.sort("job") if kind == "runs" and "job" in found.columns else found

    def curves(
        self, run_ids: Collection[str], columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """run_id and these columns, or all, of some runs' curves, without reading all of them."""
        files = [path for part in self.parts() if (path := self._file("curves", part)).exists()]
        wanted = pl.col("run_id").is_in(list(run_ids))
        tables = []
        for path in files:
            there = pl.read_parquet_schema(path)
            known = [c for c in there if columns is None or c in ("run_id", *columns)]
            tables.append(pl.scan_parquet(path).filter(wanted).select(known))
        if not tables:
            return pl.DataFrame(schema={"run_id": pl.String, "step": pl.Int64})
        return pl.concat(pl.collect_all(tables), how="diagonal_relaxed")

    def configs(
        self, run_ids: Collection[str] | None = None
    ) -> dict[str, tuple[dict[str, Any], Config]]:
        """run_id -> (resolved config, choices) of these runs, or of all."""
        wanted = pl.lit(True) if run_ids is None else pl.col("run_id").is_in(list(run_ids))
        return {
            run_id: (json.loads(config), json.loads(choices))
            for part in self.parts()
            for run_id, config, choices in pl.scan_parquet(self._file("configs", part))
            .filter(wanted)
            .collect()
            .iter_rows()
        }

    def has_weights(self, part: str) -> bool:
        """Not where all its runs failed."""
        return self._file("weights", part).exists()

    def weights(self, part: str) -> tuple[dict[str, int], dict[str, Tensor]]:
        """The place of each run of a part, and its tensors (members, *shape).

        They are parameters and normalisers. Those of a run that was replaced stay where its row
        has left, and have no place any more.
        """
        tensors, about = read_tensors(self._file("weights", part))
        rows = set(pl.read_parquet(self._file("runs", part), columns=["run_id"])["run_id"])
        ids: list[str] = json.loads(about["run_ids"])
        return {run_id: i for i, run_id in enumerate(ids) if run_id in rows}, tensors

    def parameters(self, run_ids: Collection[str]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Each of these runs with its final parameters by name, a part at a time."""
        wanted = set(run_ids)
        for part in filter(self.has_weights, self.parts()):
            places, tensors = self.weights(part)
            mine = {n: t for n, t in tensors.items() if not n.startswith("normaliser.")}
            for run_id, place in places.items():
                if run_id in wanted:
                    # Copies: a view would keep the whole part in memory.
                    yield run_id, {name: values[place].clone() for name, values in mine.items()}

    def append(self, name: str, part: Part) -> None:
        """Write a part; a run that was stored before (one that failed, or was stopped) is replaced.

        Raises OSError where the disk is full; what is stored stays whole.
        """
        packed = pack(part, self.swept, self.columns)
        packed.write(self.directory, name)
        self.adopt(name, packed.ids, packed.columns)

    @property
    def columns(self) -> list[str]:
        """Those of every runs table; none before the first."""
        return self._columns or []

    def adopt(self, name: str, ids: Collection[str], columns: Collection[str]) -> None:
        """Take in a part whose files were written: its runs, and the columns of its table."""
        # Only of those that may be replaced: reading every part at each one takes ever longer.
        older = {self._open[i] for i in ids if i in self._open} - {name}
        drop(self.directory, ids, older)
        self.adopted |= set(ids)
        known = self.columns
        if known and set(columns) - set(known):
            self._columns = align(self.directory, self.swept)
        elif set(known) - set(columns):
            align(self.directory, self.swept, [name], known)
        else:
            self._columns = list(columns)
