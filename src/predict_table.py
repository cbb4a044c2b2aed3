"""Predictions for a table: its columns by name in, all of them and the predictions out."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from polars.exceptions import PolarsError
from torch import Tensor

from src.build import build_data
from src.data.columns import read_columns
from src.data.file import PARQUET, open_table
from src.errors import InputError
from src.losses import probabilities
from src.predict_inputs import is_json, parse_inputs

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Rows to predict. rows: (rows, inputs), raw units; frame: with every column there is.

    targets: what is known of them, (rows, outputs), or None.
    """

    rows: Tensor
    frame: pl.DataFrame
    targets: Tensor | None = None


def asked_for(config: dict[str, Any], inputs: str | None, out: Path | None) -> Asked:
    """The rows of --inputs; none: the validation rows of the run's own table.

    Raises InputError where a file lacks a column, or a cell is no number.
    """
    data = config["data"]
    names: list[str] = data["inputs"]
    if inputs is None:
        if not Path(data["path"]).exists():
            raise InputError(f"{data['path']}, on which this run was trained, is not there to take "
                             "validation rows from.\nFix: --inputs with the rows")  # fmt: skip
        own = build_data(config)
        chosen = (own.val or own.train).rows
        table, frame = own.table, _whole(Path(data["path"]), out)
        targets = None if table.target is None else table.target[chosen]
        return Asked(table.input[chosen], frame[chosen.tolist()], targets)
    if is_json(inputs):
        rows = parse_inputs(inputs, len(names))
        return Asked(
            torch.tensor(rows, dtype=torch.float64), pl.DataFrame(rows, names, orient="row")
        )
    found = read_columns(inputs, names)
    return Asked(torch.from_numpy(found.inputs), _whole(Path(inputs), out)[: len(found.inputs)])


def _is_parquet(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in PARQUET


def _whole(path: Path, out: Path | None) -> pl.DataFrame:
    """Every column, as it stands: from CSV to CSV as text, so that 007 stays 007."""
    file = open_table(path)
    if file.is_csv and _is_parquet(out):
        try:
            return pl.read_csv(path, separator=file.separator, infer_schema_length=None)
        except pl.exceptions.PolarsError:
            return file.scan().collect()  # as text, where the columns agree on nothing
    return file.scan().collect()


def with_predictions(frame: pl.DataFrame, output: Tensor, data: Data) -> pl.DataFrame:
    """The frame with `predicted_TARGET`; of classes, the label and `probability_LABEL` of each.

    output: raw units, (rows, outputs). Raises InputError where such a column is there already.
    """
    name = f"predicted_{data['target']}"
    classes: list[str] | None = data["classes"]
    if classes is None:
        new = {name: pl.Series(output[:, 0].tolist(), dtype=pl.Float64)}
    else:
        sure = probabilities(output)
        labels = pl.Series([classes[i] for i in sure.argmax(dim=1).tolist()], dtype=pl.String)
        if all(label.lstrip("-").isdecimal() for label in classes):
            labels = labels.cast(pl.Int64)
        new = {name: labels} | {
            f"probability_{label}": pl.Series(sure[:, i].tolist(), dtype=pl.Float64)
            for i, label in enumerate(classes)
        }
    there = next((column for column in new if column in frame.columns), None)
    if there is not None:
        raise InputError(f"--inputs: the table has a column {there!r} already.\n"
                         "Fix: the table without it")  # fmt: skip
    return frame.with_columns(**new)


def write_table(
    config: dict[str, Any], inputs: str | None, out: Path, forward: Callable[[Tensor], Tensor]
) -> int:
    """Write Parquet or CSV, by the name of `out`; the number of rows. Raises InputError."""
    asked = asked_for(config, inputs, out)
    table = with_predictions(asked.frame, forward(asked.rows), config["data"])
    content = io.BytesIO()
    try:
        (table.write_parquet if _is_parquet(out) else table.write_csv)(content)
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        fix = "Fix: a .parquet file, or a table without such a column"
        raise InputError(f"--out {out}: {reason}\n{fix}") from error
    with out.open("xb") as file:  # a file that is already there is never overwritten
        file.write(content.getbuffer())
    return len(table)
