"""What a run prints: before training, and at the end."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from src.curvature import Curvature, Descent
from src.layers import look
from src.losses import probabilities
from src.notes import notes
from src.result import Result
from src.run import Labels, Run
from src.values import show

FEW_ROWS = 20
FEW_NUMBERS = 10
FEW_PARAMETERS = 100


def new_console() -> Console:
    """To stdout. Where that is no terminal, wide enough that no table is folded."""
    # No markup: a setting such as [mse, bce] would be read as a style.
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=120)


def numbers(values: Any, limit: int = FEW_NUMBERS, form: str = ".4f") -> str:
    """Nested numbers on one line."""
    flat = _flatten(values)
    shown = "  ".join(number(v, form) for v in flat[:limit])
    return shown + (f"  … ({len(flat)} numbers)" if len(flat) > limit else "")


def number(value: float | None, form: str = ".4f") -> str:
    """Four decimals by default: what a reader compares with a published figure."""
    if value is None or not math.isfinite(value):
        return "not finite"
    return format(value, form if abs(value) < 1e6 else ".4g")


def _flatten(values: Any) -> list[Any]:
    if not isinstance(values, list | tuple):
        return [values]
    return [x for item in values for x in _flatten(item)]


def new_table(*columns: str, numbers: bool = False) -> Table:
    """A table without lines. numbers: all columns but the first are ranged right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        justify = "right" if numbers and i else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=numbers or i == 0)
    return table


def _print(console: Console, title: str, table: Table) -> None:
    # Not rich's own title, which it folds to the table's width.
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    console.print()


def show_start(console: Console, run: Run, differences: Mapping[str, Any]) -> None:
    """The settings that differ from the defaults, and the layers."""
    config = run.config
    about = config["description"]
    if run.labels.is_table and not about:
        about = f"{run.labels.target} from {run.labels.input}, {config['data']['path']}"
    console.print(f"{run.name}: {about}\n", style="bold", soft_wrap=True)
    settings = new_table("setting", "value")
    for key, value in differences.items():
        settings.add_row(key, _short(show(value)))
    _print(console, "Settings that differ from the defaults", settings)
    net, rows = run.module.net, run.data.train.input
    layers = new_table("name", "layer", "parameters", "output for the training rows")
    for layer in look(net, rows):
        shapes = "  ".join(f"{name} {shape}" for name, shape in layer.shapes.items())
        layers.add_row(layer.name, layer.kind, shapes, str(tuple(layer.output.shape)))
    count = sum(p.numel() for p in net.parameters())
    _print(console, f"Layers, {count:,} parameters", layers)
    splits = "  ".join(f"{name} {len(split)}" for name, split in run.data.splits.items())
    console.print(f"rows: {splits}   steps: {run.steps:,}\n")
    for note in notes(run):
        console.print(f"warning: {note}\n", style="bold red", soft_wrap=True)


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_end(console: Console, run: Run, result: Result, directory: Path, kept: int | None) -> None:
    """Metrics beside the constant predictor's, predictions, parameters, and where all lies.

    kept: the step whose weights early stopping kept, None where they are the last ones.
    """
    if kept is not None:
        early = "stopped early" if result.epochs < run.max_epochs else "trained to the end"
        console.print(
            f"{early}, after epoch {result.epochs}; kept the weights of step {kept}, the best\n",
            style="bold",
            soft_wrap=True,
        )
    _show_status(console, result, directory)
    if result.metrics:
        table = new_table("metric", "value", "constant predictor")
        for name, value in result.metrics.items():
            base = result.baseline.get(name)
            table.add_row(name, f"{value:.6g}", "" if base is None else f"{base:.6g}")
        _print(console, "Final metrics", table)
    if run.max_epochs == 0 and len(run.data.train) <= FEW_ROWS:
        _show_forward(console, run)
    show_predictions(console, run.labels, result.predictions)
    _show_parameters(console, result)
    console.print(f"run directory: {directory}", soft_wrap=True)
    if run.tensorboard:
        logs = "outputs" if directory.parts[:1] == ("outputs",) else directory
        console.print(f"look at it:    tensorboard --logdir {logs}", soft_wrap=True)


def _show_status(console: Console, result: Result, directory: Path) -> None:
    def say(text: str) -> None:
        console.print(f"{text}\n", style="bold red", soft_wrap=True)

    train, base = result.metrics.get("train/loss"), result.baseline.get("train/loss")
    if result.status == "diverged":
        say(
            f"diverged at step {result.steps}: the loss or a parameter is not finite. "
            "A smaller learning rate may help."
        )
    elif result.status == "interrupted":
        say(
            f"interrupted after epoch {result.epochs}. To go on from there, repeat the command "
            f"with ckpt={directory / 'checkpoint.ckpt'}"
        )
    elif result.steps and train is not None and base is not None and train > 0.999 * base > 0:
        how = "worse than" if train > 1.001 * base else "no better than"
        say(
            f"{how} the constant predictor: train/loss {train:.4g} against {base:.4g}. The "
            "learning rate may not suit, the run may be too short, or the output activation may "
            "not reach the targets."
        )


def _show_forward(console: Console, run: Run) -> None:
    """Each layer's output: for a single neuron, the value before and after its activation."""
    rows = run.data.train.input
    table = new_table("layer", "output shape", "values")
    table.add_row("input", str(tuple(rows.shape)), numbers(rows.tolist(), form=".6g"))
    for layer in look(run.module.net, rows):
        values = numbers(layer.output.tolist())
        table.add_row(f"{layer.name} ({layer.kind})", str(tuple(layer.output.shape)), values)
    _print(console, "Forward pass", table)


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
) -> None:
    """Inputs, predictions and targets in raw units; at most `limit` rows (None: all)."""
    has_target = any(row["target"] is not None for row in predictions)
    columns = [labels.input, f"predicted {labels.target}"]
    columns += [labels.target] if has_target else []
    columns += ["answer"] if labels.classes else []
    if labels.is_table and labels.classes:
        columns = [columns[0], f"predicted {labels.target}", "probability"]
        columns += [labels.target] if has_target else []
    if all(len(row["input"]) == 1 for row in predictions):
        predictions = sorted(predictions, key=lambda row: row["input"])
    table = new_table(*columns)
    unit = f" {labels.unit}" if labels.unit else ""
    for row in predictions[:limit]:
        if labels.is_table and labels.classes:
            table.add_row(*_class_cells(row, labels))
            continue
        cells = [numbers(row["input"], 6, ".6g"), numbers(row["prediction"]) + unit]
        cells += [numbers(row["target"]) + unit] if has_target else []
        cells += [answer(row["prediction"], labels)] if labels.classes else []
        table.add_row(*cells)
    cut = limit is not None and len(predictions) > limit
    title = f"Predictions, {limit} of {len(predictions)}" if cut else "Predictions"
    _print(console, title, table)


def _class_cells(row: Mapping[str, Any], labels: Labels) -> list[str]:
    """The row of a table with classes: its inputs, its class by name, how sure, and the truth."""
    sure = probabilities(torch.tensor([row["prediction"]], dtype=torch.float64)).max().item()
    cells = [numbers(row["input"], 6, ".6g"), answer(row["prediction"], labels), number(sure)]
    return cells + ([] if row["target"] is None else [answer(row["target"], labels)])


def _show_parameters(console: Console, result: Result) -> None:
    count = sum(len(_flatten(p["values"] or [])) for p in result.parameters.values())
    if any(p["values"] is None for p in result.parameters.values()) or count > FEW_PARAMETERS:
        return
    trained = any(p["gradient"] is not None for p in result.parameters.values())
    table = new_table("name", "shape", "values", *(["gradient"] if trained else []))
    for name, p in result.parameters.items():
        cells = [name, str(tuple(p["shape"])), numbers(p["values"])]
        if trained:
            cells += ["" if p["gradient"] is None else numbers(p["gradient"], form=".3g")]
        table.add_row(*cells)
    gradient = ", and the gradient of the training loss" if trained else ""
    _print(console, f"Parameters{gradient}", table)


def show_curvature(console: Console, found: Curvature, lr: float | None) -> None:
    """The eigenvalues of the Hessian at the end, and the rates that follow from them."""
    if not found.is_convex:
        console.print(
            f"Hessian of the training loss: λmin {found.smallest:.4g}, λmax {found.largest:.4g}: "
            "not convex here, so no learning rate is best\n",
            soft_wrap=True,
        )
        return
    console.print(
        f"Hessian of the training loss: λmin {found.smallest:.4g}, λmax {found.largest:.4g}; "
        f"optimal learning rate η* = 2 / (λmin + λmax) = {found.best_lr:.4g}, "
        f"divergence above 2 / λmax = {found.max_lr:.4g}"
        + ("" if lr is None else f"; this run's was {lr:.4g}"),
        soft_wrap=True,
    )
    console.print()


def show_rates(console: Console, rates: Sequence[Descent]) -> None:
    """Gradient descent at several rates: the predicted and the measured contraction."""
    table = new_table("η / η*", "η", "max |1 - ηλ|", "measured", "outcome")
    for rate in rates:
        outcome = "diverges" if rate.diverges else "converges"
        table.add_row(f"{rate.multiple:.3f}", f"{rate.lr:.4g}", f"{rate.contraction:.4f}",
                      f"{rate.rate:.4f}", outcome)  # fmt: skip
    _print(console, "Gradient descent on the quadratic", table)
