"""A part as the bytes of its files: made where it was trained, written where the store is."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from src.engines.paused import Paused
from src.sweep.files import KINDS, part_file, write_whole
from src.sweep.tables import Config, conform, order, runs_table, with_swept
from src.tensors import tensors_to_bytes


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

    ids: list[str]
    columns: list[str]
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.files.values()))

    def write(self, directory: Path, name: str) -> None:
        """Write the files whole, runs/ last: with it the part is there. Raises OSError."""
        for kind in sorted(self.files, key=lambda kind: kind == "runs"):
            content, path = self.files[kind], part_file(directory, kind, name)
            path.parent.mkdir(exist_ok=True)  # paused/ is made by the first who pauses
            write_whole(path, lambda p, c=content: p.write_bytes(c))


def pack(part: Part, swept: Mapping[str, Any], columns: Sequence[str] = ()) -> Packed:
    """swept: key -> type of its column; columns: what other parts of the store have."""
    ids = [row["run_id"] for row in part.rows]
    table = with_swept(runs_table(part.rows), swept, part.configs)
    table = conform(table, order({*table.columns, *columns}, swept))
    configs = pl.DataFrame(
        [
            {"run_id": i, "config": json.dumps(config), "choices": json.dumps(dict(choices))}
            for i, (config, choices) in part.configs.items()
        ]
    )
    files = {"runs": table_bytes(table), "configs": table_bytes(configs)}
    if part.curves is not None:
        files["curves"] = table_bytes(part.curves)
    if part.weights:
        files["weights"] = tensors_to_bytes(part.weights, {"run_ids": json.dumps(ids)})
    if part.paused is not None:
        about = {"run_ids": json.dumps(ids), "header": json.dumps(part.paused.header)}
        files["paused"] = tensors_to_bytes(part.paused.members, about)
    assert set(files) <= set(KINDS)
    return Packed(ids, table.columns, files)


def table_bytes(table: pl.DataFrame) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
