"""A sweep on disk: append a part, read all, go on after any end.

sweep.json                what this sweep is, its swept keys, the job number of each run
parts/PART.json           the digests of the part's files; with it the part is there
runs/PART.parquet         one row per run
curves/PART.parquet       one row per run and logged point
configs/PART.parquet      run_id, the resolved config and the choices, as JSON
weights/PART.safetensors  final weights and normalisers, stacked

What is read is compared with its digest first. What is broken is left out, and `lost` names it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import is_sweep
from small_nets.sweep.store.checked_reads import CheckedParts
from small_nets.sweep.store.columns import FIRST, Config, column_type
from small_nets.sweep.store.manifest import EVERYWHERE, manifest_names
from small_nets.sweep.store.part import Packed, Part, pack
from small_nets.sweep.store.repair import (
    align,
    clean,
    drop,
    drop_duplicates,
    move_aside,
    worth,
)
from small_nets.sweep.store.sweep_file import begun, new_about, read_about, write_about


class Store:
    """The store in one directory. Raises InputError where the directory holds no such store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: dict[str, str] = {}  # run -> the part of one that failed, or was stopped
        self._columns: list[str] | None = None  # of every part
        self.adopted: set[str] = set()  # runs that this process has stored
        self.about, self._twice = new_about(), 0
        self.said: list[str] = []  # of files that are no part of a part
        self.checked = CheckedParts(directory, lambda: self.about)
        if self.exists:
            self.about, said = read_about(directory)
            self.said += [] if said is None else [said]
        elif manifest_names(directory) or self.checked.strays():
            raise InputError(f"{directory} has runs, but no sweep.json: it is no whole store.\n"
                             "Fix: another sweep.dir")  # fmt: skip

    @property
    def exists(self) -> bool:
        """Whether a sweep was stored here before."""
        return is_sweep(self.directory)

    @property
    def token(self) -> str:
        """Carried by each part of this store, and by those of no other."""
        return self.about["token"]

    def lost(self) -> list[str]:
        """A sentence for each file that was met so far and cannot be believed."""
        said = [*self.said, *map(str, self.checked.lost())]
        if self._twice:
            said.append(f"{self.directory / 'runs'}: {self._twice:,} runs are stored twice, of "
                        "which the better row counts")  # fmt: skip
        return said

    def begin(
        self, experiments: Sequence[str], swept: Collection[str], run_ids: Mapping[str, int],
        **more: Any,
    ) -> None:  # fmt: skip
        """Note what will be swept, and give every new run its number, before any training.

        swept: the keys; run_ids: run -> its place in the command.
        """
        self.about = begun(self.about, run_ids)
        self.about |= {
            "experiments": sorted({*self.about["experiments"], *experiments}),
            "swept": list(dict.fromkeys([*self.about["swept"], *swept])),
        } | more
        write_about(self.directory, self.about)
        clean(self.checked)
        self.drop_duplicates()
        self._columns = align(self.checked, self.swept)

    def drop_duplicates(self) -> None:
        """One row for each run, whoever has written another: a job that was taken for lost, say."""
        self._open = drop_duplicates(self.checked)

    def note_training(self, runs: int, seconds: float) -> None:
        """How long a command has trained, for whoever asks for the pace."""
        self.about.setdefault("trained", []).append({"runs": runs, "seconds": seconds})
        write_about(self.directory, self.about)

    def done(self) -> set[str]:
        """The runs that have come to their end: those in whole parts that did not fail."""
        self.checked.look_at_all((*EVERYWHERE, "paused"))
        return self._ids(~pl.col("status").is_in(["failed", "stopped"]))

    def stopped(self) -> set[str]:
        """The runs that halving has stopped, of parts that `done` has found to be whole."""
        return self._ids(pl.col("status") == "stopped")

    def _ids(self, wanted: pl.Expr) -> set[str]:
        found: set[str] = set()
        broken = {part for part, _ in self.checked.broken}
        for part in self.parts():
            table = self.checked.rows(part, ["run_id", "status"])
            if table is not None and part not in broken:
                found |= set(table.filter(wanted)["run_id"])
        return found

    def heal(self) -> list[str]:
        """Move the broken parts that `done` met aside; a sentence for each file to blame."""
        self._twice = 0  # these are no fault, and `begin` drops them
        said = self.lost()
        for part in {*(part for part, _ in self.checked.broken),
                     *(path.stem for path in self.checked.strays())}:  # fmt: skip
            move_aside(self.directory, part)
        self.checked, self.said = CheckedParts(self.directory, lambda: self.about), []
        return said

    @property
    def swept(self) -> dict[str, Any]:
        """The swept keys and the types of their columns."""
        return {key: column_type(key) for key in self.about["swept"]}

    def number(self, run_id: str) -> int:
        """The job number of a run."""
        return self.about["jobs"][run_id]

    def parts(self) -> list[str]:
        """The names of the parts, in order."""
        return self.checked.parts()

    def read(self, columns: Collection[str] | None = None) -> pl.DataFrame:
        """The runs tables of all parts as one, ordered by job. An empty one where there are none.

        Of a run that is stored twice (a process was killed as it replaced one) the better row.
        """
        wanted = None if columns is None else [*FIRST, *columns]
        tables = [t for part in self.parts() if (t := self.checked.rows(part, wanted)) is not None]
        if not tables:
            return pl.DataFrame(schema=FIRST)
        found = pl.concat(tables, how="diagonal_relaxed")
        self._twice = len(found) - found["run_id"].n_unique()
        if self._twice:
            found = found.sort(worth(), maintain_order=True)
            found = found.unique("run_id", keep="last", maintain_order=True)
        found = found.sort("job")
        return found if columns is None else found.select(c for c in found.columns if c in columns)

    def curves(
        self, run_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """run_id and these columns, or all, of these runs' curves, or of all runs'."""
        names = None if columns is None else ["run_id", *columns]
        found = [self.checked.curves(part, names, run_ids) for part in self.parts()]
        tables = [table for table in found if table is not None]
        empty = pl.DataFrame(schema={"run_id": pl.String, "step": pl.Int64})
        return pl.concat(tables, how="diagonal_relaxed") if tables else empty

    def configs(
        self, run_ids: Collection[str] | None = None
    ) -> dict[str, tuple[dict[str, Any], Config]]:
        """run_id -> (resolved config, choices) of these runs, or of all, as they are stored.

        `stored_run.checked_config` is for whoever builds something from them.
        """
        found = [self.checked.configs(part, run_ids) or {} for part in self.parts()]
        return {i: (dict(config), more) for one in found for i, (config, more) in one.items()}

    def has_weights(self, part: str) -> bool:
        """Not where all its runs failed."""
        manifest = self.checked.manifest(part)
        return manifest is not None and "weights" in manifest.files

    def weights(self, part: str) -> tuple[dict[str, int], dict[str, Tensor]]:
        """The place of each run of a part, and its tensors (members, *shape).

        They are parameters and normalisers. Those of a run that was replaced stay where its row
        has left, and have no place any more.
        """
        found, rows = self.checked.tensors(part, "weights"), self.checked.rows(part, ["run_id"])
        if found is None or rows is None:
            return {}, {}
        here = set(rows["run_id"])
        return {run_id: i for i, run_id in enumerate(found[0]) if run_id in here}, found[1]

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

    def append(self, part: Part) -> None:
        """Write a part; a run that was stored before (one that failed, or was stopped) is replaced.

        Raises OSError where the disk is full; what is stored stays whole.
        """
        self.keep(pack(part, self.swept, self.columns))

    def keep(self, part: Packed) -> None:
        """The same, for a part that was packed elsewhere, in the form that this store has."""
        part.write(self.directory, self.token)
        self.adopt(part.name, part.ids, part.columns)

    @property
    def columns(self) -> list[str]:
        """Those of every runs table; none before the first."""
        return self._columns or []

    def adopt(self, name: str, ids: Collection[str], columns: Collection[str]) -> None:
        """Take in a part whose files were written: its runs, and the columns of its table."""
        # Only of those that may be replaced: reading every part at each one takes ever longer.
        older = {self._open[i] for i in ids if i in self._open} - {name}
        drop(self.checked, ids, older)
        self.adopted |= set(ids)
        known = self.columns
        if known and set(columns) - set(known):
            self._columns = align(self.checked, self.swept)
        elif set(known) - set(columns):
            align(self.checked, self.swept, [name], known)
        else:
            self._columns = list(columns)
