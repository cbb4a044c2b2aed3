"""What a run prints: before training, and at the end."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from small_nets.config.components import loss_of_config
from small_nets.config.grammar_quoting import override
from small_nets.config.schema import show
from small_nets.nn.inspect import look
from small_nets.run.notes import end_notes, notes
from small_nets.run.outputs.result import Result
from small_nets.run.pictures.hessian import Curvature, Descent
from small_nets.run.raw_errors import errors_of
from small_nets.run.spec import Run
from small_nets.run.success import success_text
from small_nets.run.terminal.predictions import FEW_ROWS, show_predictions
from small_nets.run.terminal.tables import fitting, new_table, numbers, print_metrics, print_titled
from small_nets.system.command_names import command
from small_nets.system.shell_words import quote_path

FEW_PREDICTIONS = 5


def show_start(console: Console, run: Run, differences: Mapping[str, Any]) -> None:
    """Print the settings that differ from the defaults, and the layers."""
    config = run.config
    about = config["description"]
    if run.labels.is_table and not about:
        about = f"{run.labels.target} from {run.labels.input}, {config['data']['path']}"
    console.print(f"{run.name}: {about}\n", style="bold", soft_wrap=True)
    settings = new_table("setting", "value")
    for key, value in differences.items():
        settings.add_row(key, _short(show(value)))
    print_titled(console, "Settings that differ from the defaults", settings)
    net, rows = run.net, run.data.train.input
    layers = new_table("name", "layer", "parameters", "output shape")
    for layer in look(net, rows):
        shapes = "  ".join(f"{name} {shape}" for name, shape in layer.shapes.items())
        layers.add_row(layer.name, layer.kind, shapes, str(tuple(layer.output.shape)))
    count = sum(p.numel() for p in net.parameters())
    print_titled(
        console, f"Layers, {count:,} parameters, and what they give for the training rows", layers
    )
    if (order := config["model"].get("draw_order")) is not None:
        place = f"net {order.index(config['model']['width']) + 1} of the {len(order)}"
        console.print(
            f"initial weights: those of {place} that one random stream draws, one after the other, "
            f"of the widths {', '.join(map(show, order))}",
            soft_wrap=True,
        )
    splits = "  ".join(f"{name} {len(split)}" for name, split in run.data.reported.items())
    losses = "   losses: of normalised targets" if run.data.is_target_normalised else ""
    console.print(f"rows: {splits}   steps: {run.steps:,}{losses}\n")
    for note in notes(run):
        console.print(f"warning: {note}\n", style="bold red", soft_wrap=True)


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_end(console: Console, run: Run, result: Result, directory: Path, kept: int | None) -> None:
    """Print metrics beside the constant predictor's, predictions, and where all lies: one screen.

    With print=all also the parameters, and more of the predictions.
    kept: the step whose weights early stopping kept, None where they are the last ones.
    """
    if kept is not None and run.max_epochs > 0:
        ended = "trained to the end" if result.status == "completed" else result.status
        ended = "stopped early" if result.stopped_early else ended
        console.print(
            f"{ended}, after epoch {result.epochs} (step {result.steps}); kept the weights of step "
            f"{kept}, the best\n",
            style="bold",
            soft_wrap=True,
        )
    _show_status(console, result, directory)
    for note in end_notes(run, result, kept):
        console.print(f"{note}\n", style="bold", soft_wrap=True)
    _show_metrics(console, run, result)
    if run.max_epochs == 0 and len(run.data.train) <= FEW_ROWS:
        _show_forward(console, run)
    shown = FEW_ROWS if run.print_all else FEW_PREDICTIONS
    compares = loss_of_config(run.config).compares
    show_predictions(console, run.labels, result.predictions, shown, compares)
    if run.print_all:
        _show_parameters(console, result)
    seconds = f"{result.seconds['total']:.1f} s, {result.seconds['fit']:.1f} of them for training"
    console.print(f"run directory: {directory}  ({seconds})", soft_wrap=True)
    fit = directory / "fit.png"
    looks = [quote_path(fit)] if fit.exists() else []
    looks += [f"{command('report')} {quote_path(directory)}"]
    if run.tensorboard:  # its own: of a whole outputs/ with sweeps TensorBoard opens blank tabs
        looks.append(f"tensorboard --logdir {quote_path(directory)}")
    for i, words in enumerate(looks):
        console.print(f"{'' if i else 'look at it:':14} {words}", soft_wrap=True)


def _show_metrics(console: Console, run: Run, result: Result) -> None:
    """Print the losses, with what they are measured in, and the errors in the target's unit.

    Those of each rate of `analysis=optimal_lr` stand in a table of their own: with print=all.
    """
    if not result.metrics:
        return
    raw, constant = errors_of(run), errors_of(run, constant=True)
    splits = [f"{split}/" for split in run.data.reported]
    of_rates = () if run.print_all else ("contraction", "measured")
    metrics = {n: v for n, v in result.metrics.items() if n.partition("/")[0] not in of_rates}
    metrics |= {name: value for name, value in raw.items() if name not in metrics}
    unit = run.labels.unit or f"that of {run.labels.target}"
    units = dict.fromkeys(raw, unit) if len(raw) <= len(splits) else {}
    if run.data.is_target_normalised:
        units |= {f"{split}loss": "normalised" for split in splits}
    print_metrics(console, "Final metrics", metrics, constant | result.baseline, units)
    if (said := success_text(result)) is not None:
        console.print(f"{said}\n", soft_wrap=True)


def _show_status(console: Console, result: Result, directory: Path) -> None:
    def say(text: str) -> None:
        console.print(f"{text}\n", style="bold red", soft_wrap=True)

    if result.status == "diverged":
        say(
            f"diverged at step {result.steps}: the loss or a parameter is not finite. "
            "A smaller learning rate may help."
        )
    elif result.status == "interrupted":
        say(
            f"interrupted after epoch {result.epochs}. To go on from there, repeat the command "
            f"with {override('ckpt', directory / 'checkpoint.ckpt')}"
        )
    elif result.status == "stopped":
        most = result.config["trainer"]["max_epochs"]
        say(f"stopped after epoch {result.epochs} of {most}, as the halving of its sweep did")


def _show_forward(console: Console, run: Run) -> None:
    """Print each layer's output: for a single neuron, the value before and after its activation."""
    rows = run.data.train.input
    layers = list(look(run.net, rows))

    def make(most: int) -> Table:
        table = new_table("layer", "output shape", "values")
        table.add_row("input", str(tuple(rows.shape)), numbers(rows.tolist(), most, ".6g"))
        for layer in layers:
            values = numbers(layer.output.tolist(), most)
            table.add_row(f"{layer.name} ({layer.kind})", str(tuple(layer.output.shape)), values)
        return table

    print_titled(console, "Forward pass", fitting(console, make))


def _show_parameters(console: Console, result: Result) -> None:
    trained = any(p["gradient"] is not None for p in result.parameters.values())

    table = new_table("name", "shape", "values", *(["gradient"] if trained else []))
    for name, p in result.parameters.items():
        cells = [name, str(tuple(p["shape"])), f"({math.prod(p['shape']):,} numbers)"]
        if p["values"] is not None:
            cells[-1] = numbers(p["values"])
        if trained:
            cells += ["" if p["gradient"] is None else numbers(p["gradient"], form=".3g")]
        table.add_row(*cells)
    step = result.steps if result.kept is None else result.kept
    when = f"Parameters after {step:,} step{'' if step == 1 else 's'}"
    if not trained:
        print_titled(console, when, table)
        return
    print_titled(console, f"{when}, and the gradient of train/loss at these parameters", table)
    console.print(
        "The gradient is that of the loss over all training rows, in normalised units, at the "
        f"parameters above, {f'after step {step:,}' if step else 'before any step'}. A training "
        "loop leaves another one in .grad: that of its last step, at the parameters before it.\n",
        soft_wrap=True,
    )


def show_curvature(console: Console, found: Curvature, lr: float | None) -> None:
    """Print the eigenvalues of the Hessian at the end, and the rates that follow from them."""
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
    """Print gradient descent at several rates: the predicted and the measured contraction."""
    table = new_table("η / η*", "η", "max |1 - ηλ|", "measured", "outcome")
    for rate in rates:
        outcome = "diverges" if rate.diverges else "converges"
        table.add_row(f"{rate.multiple:.3f}", f"{rate.lr:.4g}", f"{rate.contraction:.4f}",
                      f"{rate.rate:.4f}", outcome)  # fmt: skip
    print_titled(console, "Gradient descent on the quadratic", table)
