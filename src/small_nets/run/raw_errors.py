"""How far a run's predictions are off, in the target's own units."""

import torch

from small_nets.run.evaluate import Metrics, regression_metrics, squared_errors
from small_nets.run.spec import Run


def scores_of(run: Run, constant: bool = False) -> Metrics:
    """R² and RMSE of each split where numbers are learned: of the net, or the best constant."""
    normaliser, target = run.data.target_normaliser, run.data.train.target
    if run.data.table.task != "regression" or normaliser is None or target is None:
        return {}
    best = run.loss.best_constant(target)
    found: Metrics = {}
    for prefix, split in run.data.reported.items():
        assert split.target is not None, "where the training split has one"
        names = run.labels.of_targets(split.target.shape[1])
        with torch.no_grad():
            row = best.expand_as(split.target) if constant else None
            prediction = run.net(split.input) if row is None else row
        errors = squared_errors(prediction, split.target)
        scores = regression_metrics(errors, split.target, normaliser, names)
        found |= {f"{prefix}/{name}": value for name, value in scores.items()}
    return found


def errors_of(run: Run, constant: bool = False) -> Metrics:
    """The RMSE alone."""
    return {n: v for n, v in scores_of(run, constant).items() if n.split("/")[1] == "rmse"}
