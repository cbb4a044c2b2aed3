"""The rows to predict, their targets where known, and the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from small_nets.config.components import is_table
from small_nets.run.build.build import build_data
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.run.prediction.inputs import parse_inputs

if TYPE_CHECKING:
    from small_nets.run.prediction.table import Asked  # polars, only where there is a table


@dataclass(frozen=True)
class Question:
    """The rows to predict, in raw units.

    rows: (rows, inputs). targets: (rows, outputs), with NaN where a row's target is unknown, or
    None. notes: say why targets are unknown. table: for a run on a table, the rows with all their
    columns.
    """

    rows: Tensor
    targets: Tensor | None = None
    notes: Sequence[str] = ()
    table: "Asked | None" = None


def question(stored: StoredRun, inputs: str | None, out: Path | None = None) -> Question:
    """The rows to predict: those of --inputs, else the validation rows, else the training rows.

    Raises InputError.
    """
    config, weights = stored.config, stored.weights
    if is_table(config["data"]):
        from small_nets.run.prediction.table import asked_for

        asked = asked_for(config, inputs, out, weights.outputs)
        if asked.known is None:
            return Question(asked.rows, table=asked)
        return Question(asked.rows, asked.known.values, asked.known.notes, asked)
    if inputs is not None:
        given = parse_inputs(inputs, len(weights.input.shift))
        return Question(torch.tensor(given, dtype=torch.float64))
    data = build_data(config)
    chosen = (data.val or data.train).rows
    target = data.table.target
    return Question(data.table.input[chosen], None if target is None else target[chosen])


def answers(asked: Question, predicted: Tensor) -> list[dict[str, Any]]:
    """For each row {"input", "prediction", "target" or None}. predicted: raw, (rows, outputs)."""
    known: list[Any] = [None] * len(predicted)
    if asked.targets is not None:
        is_known = asked.targets.isfinite().all(dim=1).tolist()
        pairs = zip(asked.targets.tolist(), is_known, strict=True)
        known = [target if whole else None for target, whole in pairs]
    return [
        {"input": x, "prediction": y, "target": t}
        for x, y, t in zip(asked.rows.tolist(), predicted.tolist(), known, strict=True)
    ]
