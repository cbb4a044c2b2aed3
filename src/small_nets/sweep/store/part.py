"""A part as the bytes of its files: made where it was trained, written where the store is."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from small_nets.engines.snapshot import Paused
from small_nets.run.outputs.tensor_files import tensors_to_bytes
from small_nets.sweep.store.columns import Config, conform, order, runs_table, with_swept
from small_nets.sweep.store.manifest import part_name, write_part


@dataclass(frozen=True)
class Part:
    """What is written at once. rows: of the runs table, without the swept settings.

    configs: run_id -> (resolved config, choices). weights: name -> (members, *shape).
    paused: the members at a rung, from which they go on.
    """

    rows: list[dict[str, Any]]
    configs: Mapping[str, tuple[Config, Config]]
    curves: pl.DataFrame | None = None
    weights: Mapping[str, Tensor] | None = None
    paused: Paused | None = None


@dataclass(frozen=True)
class Packed:
    """A part's files. ids: its runs; columns: those of its runs table; files: kind -> content."""

    name: str
    ids: list[str]
    columns: list[str]
    files: dict[str, bytes]

    def write(self, directory: Path, sweep: str) -> None:
        """Write the files whole, its manifest last: with it the part is there. Raises OSError.

        sweep: the token of the store in the directory.
        """
        write_part(directory, self.name, sweep, len(self.ids), self.files)


def pack(part: Part, swept: Mapping[str, Any], columns: Sequence[str] = ()) -> Packed:
    """swept: key -> type of its column; columns: what other parts of the store have."""
    table = with_swept(runs_table(part.rows), swept, part.configs)
    table = conform(table, order({*table.columns, *columns}, swept))
    return packed(table, part.configs, part.curves, part.weights, part.paused)


def packed(
    runs: pl.DataFrame, configs: Mapping[str, tuple[Config, Config]], curves: pl.DataFrame | None,
    weights: Mapping[str, Tensor] | None, paused: Paused | None = None,
) -> Packed:  # fmt: skip
    """Of a whole runs table, of whose order the members of `weights` and `paused` are."""
    ids = runs["run_id"].to_list()
    rows = [{"run_id": i, "config": json.dumps(config), "choices": json.dumps(dict(choices))}
            for i, (config, choices) in configs.items()]  # fmt: skip
    about = {"run_ids": json.dumps(ids)}
    files = {"runs": table_bytes(runs), "configs": table_bytes(pl.DataFrame(rows))}
    if curves is not None:
        files["curves"] = table_bytes(curves)
    if weights:
        files["weights"] = tensors_to_bytes(weights, about)
    if paused is not None:
        about |= {"header": json.dumps(paused.header)}
        files["paused"] = tensors_to_bytes(paused.members, about)
    return Packed(part_name(runs["job"], ids), ids, runs.columns, files)


def table_bytes(table: pl.DataFrame) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
