"""The result of a run whose net is trained: metrics, baseline, predictions, parameters."""

from typing import Any

import torch
from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor, nn

from small_nets.run.evaluate import (
    baseline,
    evaluate_test,
    gradients,
    more_metrics,
    predict,
)
from small_nets.run.figures.learning_rates import rates_figure
from small_nets.run.logged_metrics import logged_metrics
from small_nets.run.outputs.identity import run_id
from small_nets.run.outputs.result import (
    MAX_PREDICTIONS,
    MAX_VALUES,
    Ending,
    Result,
    git_state,
    versions,
)
from small_nets.run.pictures.hessian import compare_rates, curvature, hessian
from small_nets.run.raw_errors import errors_of, scores_of
from small_nets.run.spec import Run
from small_nets.run.terminal.run_summary import show_curvature, show_rates

Prediction = dict[str, Any]


def conclude(
    run: Run, ending: Ending, seconds: float, console: Console
) -> tuple[Result, dict[str, Figure]]:
    """The result of a trained run, and name -> picture, of its analysis. seconds: of training."""
    run.net.eval()
    metrics = _final_metrics(run, ending)
    metrics |= of_table(run)
    figures = {} if ending.is_lost else analyse(run, console, metrics)
    result = Result(
        experiment=run.name,
        seed=run.seed,
        status=ending.status,
        epochs=ending.epochs,
        steps=int(ending.curves["step"][-1]),
        kept=ending.kept,
        stopped_early=ending.stopped_early,
        metrics=metrics,
        baseline=baseline_of(run),
        predictions=predictions(run),
        parameters=parameters(run),
        curves=ending.curves,
        config=run.config,
        run_id=run_id(run.config),
        seconds={"fit": seconds, "total": seconds},
        versions=versions(),
        git=git_state(),
    )
    return result, figures


def _final_metrics(run: Run, ending: Ending) -> dict[str, float]:
    """The metrics of the last point, or under early stopping of the parameters that were kept."""
    if ending.kept is not None:
        metrics = logged_metrics(run, ending.kept)
    else:
        metrics = {name: v[-1] for name, v in ending.curves.items() if name != "step"}
    # The only place where a run looks at its test split.
    metrics |= evaluate_test(run.net, run.loss, run.data)
    return metrics | more_metrics(run.net, run.data.train, run.metrics)


def of_table(run: Run) -> dict[str, float]:
    """R² and RMSE of the net where the user's own numbers are learned."""
    return scores_of(run) if run.labels.is_table else {}


def baseline_of(run: Run) -> dict[str, float]:
    """Metric -> what the constant predictor has. Its R² says nothing, and is left out."""
    return baseline(run.loss, run.data) | (
        errors_of(run, constant=True) if run.labels.is_table else {}
    )


def analyse(run: Run, console: Console, metrics: dict[str, float]) -> dict[str, Figure]:
    """Add the metrics of `analysis=…` to `metrics`. Returns name -> figure."""
    if run.analysis in (None, "sharpness") or run.data.train.target is None:
        return {}
    net, loss, train = run.net, run.loss, run.data.train
    found = curvature(net, loss, train)
    metrics |= {"hessian/lambda_min": found.smallest, "hessian/lambda_max": found.largest}
    show_curvature(console, found, run.config["optimizer"]["lr"])
    if not found.is_convex:
        return {}
    metrics["hessian/optimal_lr"] = found.best_lr
    if run.analysis != "optimal_lr":
        return {}
    rates = compare_rates(hessian(net, loss, train))
    for rate in rates:
        metrics[f"contraction/{rate.multiple:.3g}"] = rate.contraction
        metrics[f"measured/{rate.multiple:.3g}"] = rate.rate
    show_rates(console, rates)
    lines = [(r.multiple, r.lr, r.contraction) for r in rates]
    figure = rates_figure(found.eigenvalues.tolist(), lines, [r.norms for r in rates])
    return {"optimal_lr": figure}


def predictions(run: Run) -> list[Prediction]:
    """Predictions for the probes, else for the validation rows, else for the training rows."""
    table, data = run.data.table, run.data
    if run.probe is not None:
        asked = torch.tensor(run.probe[:MAX_PREDICTIONS], dtype=torch.float64)
        return prediction_rows(run.net, run, asked, None)
    rows = (data.val or data.train).rows[:MAX_PREDICTIONS]
    target = None if table.target is None else table.target[rows]
    return prediction_rows(run.net, run, table.input[rows], target)


def prediction_rows(
    net: nn.Module, run: Run, input: Tensor, target: Tensor | None
) -> list[Prediction]:
    """An entry for each row of input (rows, features) and target (rows, outputs), in raw units."""
    output = predict(net, run.data, input)
    targets: list[Any] = [None] * len(input) if target is None else target.tolist()
    return [
        {"input": x, "prediction": y, "target": t}
        for x, y, t in zip(input.tolist(), output.tolist(), targets, strict=True)
    ]


def parameters(run: Run) -> dict[str, dict[str, Any]]:
    """Name -> shape, values, and gradient of the training loss, in normalised units.

    The gradient is that of the whole training split at these values: the final ones, or those that
    early stopping kept. It is not the one of the last step, which is taken at the values before it.
    Values and gradients are None for parameters of more than 1,000 numbers.
    """
    found = gradients(run.net, run.loss, run.data.train)

    def listed(values: Tensor | None) -> Any:
        return None if values is None or values.numel() > MAX_VALUES else values.tolist()

    return {
        name: {
            "shape": list(parameter.shape),
            "values": listed(parameter.detach()),
            "gradient": listed(found.get(name)),
        }
        for name, parameter in run.net.named_parameters()
    }
