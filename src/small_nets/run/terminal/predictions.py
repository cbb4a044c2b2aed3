"""Predictions in the terminal: inputs, what the network says, and what is true."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from small_nets.config.component_facts import Compares
from small_nets.config.logging_interval import evenly
from small_nets.nn.metrics import probabilities
from small_nets.run.spec import Labels
from small_nets.run.terminal.tables import (
    FEW_NUMBERS,
    fitting,
    new_table,
    number,
    numbers,
    print_titled,
)

FEW_ROWS = 20


def answer(prediction: Sequence[float | None], labels: Labels) -> str:
    """The class that a prediction names, or ""."""
    if labels.classes is None or None in prediction:
        return ""
    values = [float(p) for p in prediction if p is not None]
    best = int(values[0] > 0.5) if len(values) == 1 else values.index(max(values))
    return labels.classes[best] if best < len(labels.classes) else ""


def show_predictions(
    console: Console,
    labels: Labels,
    predictions: Sequence[Mapping[str, Any]],
    limit: int | None = FEW_ROWS,
    compares: Compares = "numbers",
) -> None:
    """Print inputs, predictions and targets in raw units; at most `limit` rows (None: all).

    compares: what the loss takes the predictions for.
    """
    has_target = any(row["target"] is not None for row in predictions)
    by_name = labels.is_table and labels.classes is not None  # the class, and how sure it is
    what = {"numbers": "", "probabilities": " (probability)", "logits": " (logits)"}.get(
        compares, ""
    )
    if labels.classes is not None and all(len(row["prediction"]) == 1 for row in predictions):
        what = " (probability)"
    what = "" if by_name or what == f" ({labels.target})" else what
    columns = [labels.input, f"predicted {labels.target}{what}"]
    columns += ["probability"] if by_name else []
    columns += [labels.target] if has_target else []
    columns += ["answer"] if labels.classes and not by_name else []
    if all(len(row["input"]) == 1 for row in predictions):
        predictions = sorted(predictions, key=lambda row: row["input"])
    unit = f" {labels.unit}" if labels.unit else ""
    of_target = ".4f" if compares == "numbers" else ".6g"  # a class is 0 or 1
    shown = evenly(len(predictions), limit or len(predictions))

    def make(most: int) -> Table:
        table = new_table(*columns)
        for row in (predictions[i] for i in shown):
            if by_name:
                table.add_row(*_class_cells(row, labels, most))
                continue
            cells = [_inputs(row, labels, most), numbers(row["prediction"], most) + unit]
            known = row["target"] is not None
            truth = numbers(row["target"], most, of_target) + unit if known else ""
            cells += [truth] if has_target else []
            cells += [answer(row["prediction"], labels)] if labels.classes else []
            table.add_row(*cells)
        return table

    title = "Predictions"
    if len(shown) < len(predictions):
        title += f", {len(shown)} of {len(predictions)}, evenly spaced"
    kinds = ("input", "prediction", "target")
    longest = max((len(predictions[i][kind] or ()) for i in shown for kind in kinds), default=1)
    print_titled(console, title, fitting(console, make, min(FEW_NUMBERS, longest)))


def _inputs(row: Mapping[str, Any], labels: Labels, most: int) -> str:
    """A row's inputs on one line, as its table has them; at most six of them."""
    values, most = labels.in_its_terms(row["input"]), min(most, 6)
    if not labels.categories:
        return numbers(values, most, ".6g")
    shown = ["unseen" if v is None else v if isinstance(v, str) else number(v, ".6g")
             for v in values[:most]]  # fmt: skip
    return "  ".join(shown) + (f"  … ({len(values)} inputs)" if len(values) > most else "")


def _class_cells(row: Mapping[str, Any], labels: Labels, most: int) -> list[str]:
    """The row of a table with classes: its inputs, its class by name, how sure, and the truth."""
    sure = probabilities(torch.tensor([row["prediction"]], dtype=torch.float64)).max().item()
    cells = [_inputs(row, labels, most), answer(row["prediction"], labels), number(sure)]
    return cells + ([] if row["target"] is None else [answer(row["target"], labels)])
