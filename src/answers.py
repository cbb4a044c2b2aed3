"""Predictions in the terminal: inputs, what the network says, and what is true."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from rich.console import Console

from src.losses import probabilities
from src.run import Labels
from src.terminal import new_table, number, numbers, print_titled

FEW_ROWS = 20


def answer(prediction: Sequence[float | None], labels: Labels) -> str:
    """The class that a prediction names, or ""."""
    if labels.classes is None or None in prediction:
        return ""
    values = [float(p) for p in prediction if p is not None]
    best = int(values[0] > 0.5) if len(values) == 1 else values.index(max(values))
    return labels.classes[best] if best < len(labels.classes) else ""


def _evenly(rows: Sequence[Mapping[str, Any]], limit: int | None) -> Sequence[Mapping[str, Any]]:
    """At most `limit` rows, the first and the last among them."""
    if limit is None or len(rows) <= limit:
        return rows
    return [rows[i * (len(rows) - 1) // (limit - 1)] for i in range(limit)]


def show_predictions(
    console: Console,
    labels: Labels,
    predictions: Sequence[Mapping[str, Any]],
    limit: int | None = FEW_ROWS,
) -> None:
    """Inputs, predictions and targets in raw units; at most `limit` rows (None: all)."""
    has_target = any(row["target"] is not None for row in predictions)
    one_number = all(len(row["prediction"]) == 1 for row in predictions)
    is_sure = labels.classes is not None and one_number
    columns = [labels.input, f"predicted {labels.target}{' (probability)' if is_sure else ''}"]
    columns += [labels.target] if has_target else []
    columns += ["answer"] if labels.classes else []
    if labels.is_table and labels.classes:
        columns = [columns[0], f"predicted {labels.target}", "probability"]
        columns += [labels.target] if has_target else []
    if all(len(row["input"]) == 1 for row in predictions):
        predictions = sorted(predictions, key=lambda row: row["input"])
    table = new_table(*columns)
    unit = f" {labels.unit}" if labels.unit else ""
    for row in _evenly(predictions, limit):
        if labels.is_table and labels.classes:
            table.add_row(*_class_cells(row, labels))
            continue
        cells = [numbers(row["input"], 6, ".6g"), numbers(row["prediction"]) + unit]
        cells += [numbers(row["target"]) + unit] if has_target else []
        cells += [answer(row["prediction"], labels)] if labels.classes else []
        table.add_row(*cells)
    cut = limit is not None and len(predictions) > limit
    title = f"Predictions, {limit} of {len(predictions)}, evenly spaced" if cut else "Predictions"
    print_titled(console, title, table)


def _class_cells(row: Mapping[str, Any], labels: Labels) -> list[str]:
    """The row of a table with classes: its inputs, its class by name, how sure, and the truth."""
    sure = probabilities(torch.tensor([row["prediction"]], dtype=torch.float64)).max().item()
    cells = [numbers(row["input"], 6, ".6g"), answer(row["prediction"], labels), number(sure)]
    return cells + ([] if row["target"] is None else [answer(row["target"], labels)])
