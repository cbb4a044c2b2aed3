"""A sweep on disk: append a part, read all parts, go on after a kill.

sweep.json                what this sweep is, its swept keys, the job number of each run
parts/PART.json           the digests of the part's files; it makes the part exist
runs/PART.parquet         one row per run
curves/PART.parquet       one row per run and logged point
configs/PART.parquet      run_id, the resolved config and the choices, as JSON
weights/PART.safetensors  final weights and normalisers, stacked

Each file is compared with its digest before it is read. Broken files are left out; `lost` names
them.
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
from small_nets.sweep.store.manifest import SWEEP_KINDS, manifest_names
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
    """The store in a directory, which may be new. Raises InputError for a broken store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: dict[str, str] = {}  # run_id -> part, of runs that may be replaced
        self._columns: list[str] | None = None  # of every part
        self.adopted: set[str] = set()  # run_ids that this process has stored
        self.about, self._twice = new_about(), 0
        self.said: list[str] = []  # sentences about files that belong to no part
        self.checked = CheckedParts(directory, lambda: self.about)
        if self.exists:
            self.about, said = read_about(directory)
            self.said += [] if said is None else [said]
        elif manifest_names(directory) or self.checked.strays():
            raise InputError(f"{directory} has runs, but no sweep.json: it is incomplete.\n"
                             "Fix: another sweep.dir")  # fmt: skip

    @property
    def exists(self) -> bool:
        """Whether a sweep was stored here before."""
        return is_sweep(self.directory)

    @property
    def token(self) -> str:
        """The store's own name, which each of its parts carries."""
        return self.about["token"]

    def lost(self) -> list[str]:
        """A sentence for each broken file that was met so far."""
        said = [*self.said, *map(str, self.checked.lost())]
        if self._twice:
            said.append(f"{self.directory / 'runs'}: {self._twice:,} runs are stored twice; the "
                        "better row of each counts")  # fmt: skip
        return said

    def begin(
        self, experiments: Sequence[str], swept: Collection[str], run_ids: Mapping[str, int],
        **more: Any,
    ) -> None:  # fmt: skip
        """Prepare the store for training: write sweep.json, number new runs, repair the parts.

        experiments: their names. swept: the swept keys. run_ids: run_id -> its place in the
        command. more: other entries of `about`. Raises InputError, OSError.
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
        """Leave one row for each run, where another process, taken for lost, wrote a second."""
        self._open = drop_duplicates(self.checked)

    def note_training(self, runs: int, seconds: float) -> None:
        """Store how many runs a command trained, and how long that took."""
        self.about.setdefault("trained", []).append({"runs": runs, "seconds": seconds})
        write_about(self.directory, self.about)

    def done(self) -> set[str]:
        """The run_ids in whole parts that ended, without those that failed or were stopped."""
        self.checked.look_at_all((*SWEEP_KINDS, "paused"))
        return self._ids(~pl.col("status").is_in(["failed", "stopped"]))

    def stopped(self) -> set[str]:
        """The run_ids in whole parts that halving stopped. Call `done` first."""
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
        """Move the broken parts that `done` met to corrupt/. Returns a sentence for each file."""
        self._twice = 0  # runs that are stored twice are no fault, and `begin` drops them
        said = self.lost()
        for part in {*(part for part, _ in self.checked.broken),
                     *(path.stem for path in self.checked.strays())}:  # fmt: skip
            move_aside(self.directory, part)
        self.checked, self.said = CheckedParts(self.directory, lambda: self.about), []
        return said

    @property
    def swept(self) -> dict[str, Any]:
        """Swept key -> type of its column."""
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
        """The curves: run_id, step, metrics, one row a run and logged point.

        run_ids: of which runs; None for all. columns: which besides run_id; None for all.
        """
        tables = [*self.curves_by_part(run_ids, columns)]
        empty = pl.DataFrame(schema={"run_id": pl.String, "step": pl.Int64})
        return pl.concat(tables, how="diagonal_relaxed") if tables else empty

    def curves_by_part(
        self, run_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield what `curves` returns, a part at a time: those of all runs may be too many."""
        names = None if columns is None else ["run_id", *columns]
        for part in self.parts():
            table = self.checked.curves(part, names, run_ids)
            if table is not None:
                yield table

    def configs(
        self, run_ids: Collection[str] | None = None
    ) -> dict[str, tuple[dict[str, Any], Config]]:
        """run_id -> (resolved config, choices), as they are stored. run_ids: None for all.

        To build something from a config, read it by `stored_run.checked_config`.
        """
        found = [self.checked.configs(part, run_ids) or {} for part in self.parts()]
        return {i: (dict(config), more) for one in found for i, (config, more) in one.items()}

    def has_weights(self, part: str) -> bool:
        """Whether a part has weights. It has none where all its runs failed."""
        manifest = self.checked.manifest(part)
        return manifest is not None and "weights" in manifest.files

    def weights(self, part: str) -> tuple[dict[str, int], dict[str, Tensor]]:
        """run_id -> its place in a part's tensors, and name -> tensor (members, *shape).

        The tensors are parameters and normalisers. A run that was moved to another part still
        fills a place, but is not among the run_ids.
        """
        found, rows = self.checked.tensors(part, "weights"), self.checked.rows(part, ["run_id"])
        if found is None or rows is None:
            return {}, {}
        here = set(rows["run_id"])
        return {run_id: i for i, run_id in enumerate(found[0]) if run_id in here}, found[1]

    def parameters(self, run_ids: Collection[str]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield (run_id, name -> final parameter) of these runs, a part at a time."""
        wanted = set(run_ids)
        for part in filter(self.has_weights, self.parts()):
            places, tensors = self.weights(part)
            mine = {n: t for n, t in tensors.items() if not n.startswith("normaliser.")}
            for run_id, place in places.items():
                if run_id in wanted:
                    # Cloned, because a view would keep the whole part in memory.
                    yield run_id, {name: values[place].clone() for name, values in mine.items()}

    def append(self, part: Part) -> None:
        """Write a part. Rows of its runs that failed or were stopped before are replaced.

        Raises OSError where the disk is full. What was stored before stays whole.
        """
        self.keep(pack(part, self.swept, self.columns))

    def keep(self, part: Packed) -> None:
        """Write a part that was packed for this store. Raises OSError."""
        part.write(self.directory, self.token)
        self.adopt(part.name, part.ids, part.columns)

    @property
    def columns(self) -> list[str]:
        """The columns of every runs table; empty before the first."""
        return self._columns or []

    def adopt(self, name: str, ids: Collection[str], columns: Collection[str]) -> None:
        """Take in a part whose files are written. ids: its run_ids. columns: of its runs table."""
        # Only parts with replaceable runs are read: reading all of them takes ever longer.
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
