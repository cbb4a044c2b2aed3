"""What a run prints: before training, and at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from small_nets.config.grammar_quoting import override
from small_nets.config.schema import show
from small_nets.nn.inspect import look
from small_nets.run.notes import end_notes, notes
from small_nets.run.outputs.result import Result
from small_nets.run.pictures.hessian import Curvature, Descent
from small_nets.run.spec import Run
from small_nets.run.terminal.predictions import FEW_ROWS, show_predictions
from small_nets.run.terminal.tables import flatten, new_table, numbers, print_metrics, print_titled
from small_nets.system.command_names import command
from small_nets.system.shell_words import quote_path

FEW_PARAMETERS = 100


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
    print_titled(console, "Settings that differ from the defaults", settings)
    net, rows = run.net, run.data.train.input
    layers = new_table("name", "layer", "parameters", "output for the training rows")
    for layer in look(net, rows):
        shapes = "  ".join(f"{name} {shape}" for name, shape in layer.shapes.items())
        layers.add_row(layer.name, layer.kind, shapes, str(tuple(layer.output.shape)))
    count = sum(p.numel() for p in net.parameters())
    print_titled(console, f"Layers, {count:,} parameters", layers)
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
    if result.metrics:
        print_metrics(console, "Final metrics", result.metrics, result.baseline)
    if run.max_epochs == 0 and len(run.data.train) <= FEW_ROWS:
        _show_forward(console, run)
    show_predictions(console, run.labels, result.predictions)
    _show_parameters(console, result)
    console.print(f"run directory: {directory}", soft_wrap=True)
    looks = [f"{command('report')} {quote_path(directory)}"]
    if run.tensorboard:  # its own: of a whole outputs/ with sweeps TensorBoard opens blank tabs
        looks.append(f"tensorboard --logdir {quote_path(directory)}")
    for name, words in zip(("look at it:", ""), looks, strict=False):
        console.print(f"{name:14} {words}", soft_wrap=True)


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
            f"with {override('ckpt', directory / 'checkpoint.ckpt')}"
        )
    elif result.status == "stopped":
        most = result.config["trainer"]["max_epochs"]
        say(f"stopped after epoch {result.epochs} of {most}, as the halving of its sweep did")
    elif result.steps and train is not None and base is not None and train > 0.999 * base > 0:
        how = "worse than" if train > 1.001 * base else "no better than"
        say(
            f"{how} the constant predictor: train/loss {train:.4g} against {base:.4g}. The "
            "learning rate may not suit, the run may be too short, the output activation may not "
            "reach the targets, or the network needs a hidden layer or a wider one (model.width)."
        )


def _show_forward(console: Console, run: Run) -> None:
    """Each layer's output: for a single neuron, the value before and after its activation."""
    rows = run.data.train.input
    table = new_table("layer", "output shape", "values")
    table.add_row("input", str(tuple(rows.shape)), numbers(rows.tolist(), form=".6g"))
    for layer in look(run.net, rows):
        values = numbers(layer.output.tolist())
        table.add_row(f"{layer.name} ({layer.kind})", str(tuple(layer.output.shape)), values)
    print_titled(console, "Forward pass", table)


def _show_parameters(console: Console, result: Result) -> None:
    count = sum(len(flatten(p["values"] or [])) for p in result.parameters.values())
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
    print_titled(console, f"Parameters{gradient}", table)


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
    print_titled(console, "Gradient descent on the quadratic", table)
