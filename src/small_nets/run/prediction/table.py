"""Predicts for a table: reads its columns by name, and returns all of them with predictions."""

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from polars.exceptions import PolarsError
from torch import Tensor

from small_nets.config.components import loss_of_config
from small_nets.config.errors import InputError
from small_nets.data.column_types import as_type, guess_types
from small_nets.data.table_cells import whole_frame
from small_nets.data.table_columns import read_columns
from small_nets.data.table_file import PARQUET, open_table
from small_nets.data.table_settings import names_of
from small_nets.nn.metrics import probabilities
from small_nets.run.build.build import build_data
from small_nets.run.prediction.inputs import is_json, parse_table_rows
from small_nets.run.prediction.targets import Known, known_targets
from small_nets.system.atomic_file import create_whole

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Rows of a table to predict.

    rows: (rows, features), in raw units. frame: the table with all its columns. places: the rows
    of the frame that are predicted; in the others a value is missing. known: their targets, or
    None.
    """

    rows: Tensor
    frame: pl.DataFrame
    places: Sequence[int]
    known: Known | None = None


def asked_for(config: dict[str, Any], inputs: str | None, out: Path | None, outputs: int) -> Asked:
    """The rows to predict: those of --inputs, or the validation rows of the run's own table.

    outputs: of the network. Raises InputError where a column is missing or a cell is wrong.
    """
    data = config["data"]
    if inputs is None:
        return _own(config, out)
    names: list[str] = data["inputs"]
    if is_json(inputs):
        typed, rows = parse_table_rows(inputs, names, data["categories"], data["unseen"])
        columns = zip(*typed, strict=True)
        frame = pl.DataFrame([pl.Series(n, c, strict=False)
                              for n, c in zip(names, columns, strict=True)])  # fmt: skip
        return Asked(torch.tensor(rows, dtype=torch.float64), frame, range(len(rows)))
    # For another file the training table's separator is only a hint.
    file = open_table(Path(inputs), prefer=data["separator"])
    found = read_columns(
        inputs, names, missing=data["missing"], separator=file.separator or None,
        categories=data["categories"], unseen=data["unseen"],
    )  # fmt: skip
    frame = _typed(whole_frame(file), file.is_csv, out)
    if found.dropped:
        print(f"{found.dropped:,} of {len(frame):,} rows have no prediction: a value is missing "
              "in them", file=sys.stderr)  # fmt: skip
    places = found.rows.tolist()
    known = known_targets(file, data, places, outputs)
    return Asked(torch.from_numpy(found.inputs), frame, places, known)


def _own(config: dict[str, Any], out: Path | None) -> Asked:
    data = config["data"]
    path = Path(data["path"])
    if not path.exists():
        raise InputError(f"{path}, on which this run was trained, is not there to take "
                         "validation rows from.\nFix: --inputs with the rows")  # fmt: skip
    own = build_data(config)
    chosen = (own.val or own.train).rows
    task = loss_of_config(config).task
    used = read_columns(
        path, data["inputs"], data["target"], task, missing=data["missing"],
        separator=data["separator"],
    ).rows  # fmt: skip
    file = open_table(path, data["separator"])
    frame = _typed(whole_frame(file), file.is_csv, out)[used[chosen.numpy()].tolist()]
    known = None if own.table.target is None else Known(own.table.target[chosen])
    return Asked(own.table.input[chosen], frame, range(len(frame)), known)


def _is_parquet(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in PARQUET


def _typed(frame: pl.DataFrame, is_csv: bool, out: Path | None) -> pl.DataFrame:
    """Cast texts where a CSV file is written as Parquet. To CSV they stay, so 007 stays 007."""
    return guess_types(frame) if is_csv and _is_parquet(out) else frame


def with_predictions(
    frame: pl.DataFrame, output: Tensor, data: Data, places: Sequence[int] | None = None
) -> pl.DataFrame:
    """Add the columns `predicted_TARGET`, and for classes `probability_LABEL`, to a frame.

    A predicted label has the type of the target's column. output: raw, (rows, outputs), for the
    frame's rows at `places` (None: for all). Raises InputError where such a column exists already.
    """
    targets = names_of(data["target"])
    classes: list[str] | None = data["classes"]
    if classes is None:
        new = {
            f"predicted_{name}": pl.Series(output[:, i].tolist(), dtype=pl.Float64)
            for i, name in enumerate(targets)
        }
    else:
        sure = probabilities(output)
        labels = pl.Series([classes[i] for i in sure.argmax(dim=1).tolist()], dtype=pl.String)
        new = {f"predicted_{targets[0]}": as_type(labels, data["label_type"])} | {
            f"probability_{label}": pl.Series(sure[:, i].tolist(), dtype=pl.Float64)
            for i, label in enumerate(classes)
        }
    there = next((column for column in new if column in frame.columns), None)
    if there is not None:
        raise InputError(f"--inputs: the table has a column {there!r} already.\n"
                         "Fix: the table without it")  # fmt: skip
    if places is not None and len(places) < len(frame):
        found: list[int | None] = [None] * len(frame)
        for i, place in enumerate(places):
            found[place] = i
        taken = pl.Series(found, dtype=pl.UInt32)
        new = {name: values.gather(taken) for name, values in new.items()}
    return frame.with_columns(**new)


def write_table(data: Data, asked: Asked, out: Path, output: Tensor) -> None:
    """Write a table with predictions as Parquet or CSV, by the name of `out`. Raises InputError.

    output: the predictions of the asked rows, raw, (rows, outputs).
    """
    table = with_predictions(asked.frame, output, data, asked.places)
    content = io.BytesIO()
    try:
        (table.write_parquet if _is_parquet(out) else table.write_csv)(content)
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        fix = "Fix: a .parquet file, or a table without such a column"
        raise InputError(f"--out {out}: {reason}\n{fix}") from error
    create_whole(out, content.getvalue())
