"""A part of a store: packed into bytes where it is trained, written where the store is."""

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
    """Runs that are stored together.

    rows: of the runs table, without the swept keys. configs: run_id -> (resolved config, choices).
    curves: see `curves_table`. weights: name -> (members, *shape), in the order of the rows.
    paused: the members at a rung, from which they can go on.
    """

    rows: list[dict[str, Any]]
    configs: Mapping[str, tuple[Config, Config]]
    curves: pl.DataFrame | None = None
    weights: Mapping[str, Tensor] | None = None
    paused: Paused | None = None


@dataclass(frozen=True)
class Packed:
    """The files of a part.

    name: the part's. ids: its run_ids. columns: of its runs table. files: kind -> content.
    """

    name: str
    ids: list[str]
    columns: list[str]
    files: dict[str, bytes]

    def write(self, directory: Path, sweep: str) -> None:
        """Write the part into the store of a directory. sweep: the store's token. Raises OSError.

        Its manifest goes last, and makes the part exist.
        """
        write_part(directory, self.name, sweep, len(self.ids), self.files)


def pack(part: Part, swept: Mapping[str, Any], columns: Sequence[str] = ()) -> Packed:
    """Pack a part. swept: key -> type of its column. columns: of the store's other parts."""
    table = with_swept(runs_table(part.rows), swept, part.configs)
    table = conform(table, order({*table.columns, *columns}, swept))
    return packed(table, part.configs, part.curves, part.weights, part.paused)


def packed(
    runs: pl.DataFrame, configs: Mapping[str, tuple[Config, Config]], curves: pl.DataFrame | None,
    weights: Mapping[str, Tensor] | None, paused: Paused | None = None,
) -> Packed:  # fmt: skip
    """Pack a part from its complete runs table.

    weights, paused: their members are in the order of the table's rows.
    """
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
    """The content of a Parquet file with this table."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
