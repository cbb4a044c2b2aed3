"""Scores predictions against known targets, beside the constant predictor."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from torch import Tensor

from small_nets.config.components import loss_of_config
from small_nets.nn.metrics import accuracy
from small_nets.run.build.build import loss_of
from small_nets.run.evaluate import commonest_of, regression_metrics, squared_errors
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.run.terminal.tables import print_metrics


@dataclass(frozen=True)
class Score:
    """The score of predictions.

    rows: how many were scored. metrics: name -> value. baseline: the same for the constant
    predictor of the training split. notes: which rows were not scored, and why.
    """

    rows: int
    metrics: dict[str, float]
    baseline: dict[str, float]
    notes: Sequence[str] = ()


def score(
    stored: StoredRun, output: Tensor, targets: Tensor, names: Sequence[str],
    notes: Sequence[str] = (),
) -> Score:  # fmt: skip
    """Compute the loss, and for classes the accuracy, for numbers R² and RMSE.

    output: of the net, (rows, outputs), in normalised units. targets: (rows, outputs), in raw
    units; a row with a NaN is left out. names: of the outputs. notes: which rows have no target.
    The constant predictor is the best one on the training split, as stored with the weights.
    """
    config, weights = stored.config, stored.weights
    known = targets.isfinite().all(dim=1)
    output, targets = output[known], targets[known]
    if weights.target is not None:
        targets = weights.target.apply(targets)
    targets = targets.to(output)
    mean = weights.seen.mean
    if len(targets) == 0 or mean is None:
        return Score(len(targets), {}, {}, notes)
    loss = loss_of(config, mean)
    constant = loss.best_constant_of_mean(mean).to(targets).expand_as(targets)
    found = {"loss": loss(output, targets).item()}
    base = {"loss": loss(constant, targets).item()}
    if loss_of_config(config).task == "regression":
        if weights.target is not None:
            errors = squared_errors(output, targets)
            found |= regression_metrics(errors, targets, weights.target, names)
            errors = squared_errors(constant, targets)
            base |= regression_metrics(errors, targets, weights.target, names)
    elif bool(((targets == 0) | (targets == 1)).all()):  # classes, and no probabilities
        found["accuracy"] = accuracy(output, targets).item()
        common = commonest_of(mean).to(targets).expand_as(targets)
        base["accuracy"] = accuracy(common, targets).item()
    return Score(len(targets), found, base, notes)


def show_score(console: Console, found: Score) -> None:
    """Print a score, in the form of the metrics at the end of a run."""
    if found.metrics:
        rows = f"{found.rows:,} row{'s' if found.rows > 1 else ''}"
        title = f"Score over the {rows} whose target is known"
        print_metrics(console, title, found.metrics, found.baseline)
    for note in found.notes:
        console.print(note, soft_wrap=True)
