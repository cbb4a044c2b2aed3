"""Evaluates a net on whole splits: losses, metrics, gradients, the constant predictor."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Prepared, Split
from small_nets.nn.losses import Loss
from small_nets.nn.metrics import accuracy
from small_nets.run.build.targets import metrics_of

Metrics = dict[str, float]


def evaluate(net: nn.Module, loss: Loss, data: Prepared) -> Metrics:
    """`train/loss`, `val/loss` and, for classes, the accuracies. Empty without a target."""
    return _evaluated(net, loss, data, data.splits)


def evaluate_test(net: nn.Module, loss: Loss, data: Prepared) -> Metrics:
    """The same of the test split; empty where there is none. For the end of a run alone."""
    return _evaluated(net, loss, data, {} if data.test is None else {"test": data.test})


def _evaluated(net: nn.Module, loss: Loss, data: Prepared, splits: Mapping[str, Split]) -> Metrics:
    found: Metrics = {}
    with torch.no_grad():
        for prefix, split in splits.items():
            if split.target is None:
                continue
            prediction = net(split.input)
            found[f"{prefix}/loss"] = loss(prediction, split.target).item()
            if data.table.task != "regression":
                found[f"{prefix}/accuracy"] = accuracy(prediction, split.target).item()
    return found


def squared_errors(prediction: Tensor, target: Tensor) -> list[float]:
    """The mean squared error of each output. prediction, target: (rows, outputs)."""
    difference = prediction.double().numpy() - target.double().numpy()
    with np.errstate(over="ignore"):  # infinite, of a run that diverged
        return (difference**2).mean(axis=0).tolist()


def regression_metrics(
    errors: Sequence[float], target: Tensor, normaliser: Normaliser, names: Sequence[str]
) -> Metrics:
    """`r2` and `rmse` of a regression; the latter in raw units.

    errors: the mean squared error of each output (not the loss, which may be another one). target:
    (rows, outputs). Both are in the units of `normaliser`. names: of the outputs.

    Several outputs have `r2/NAME` and `rmse/NAME` each, and `r2` is their mean. There is no common
    RMSE, since their units may differ. A target that is the same in every row has no R².
    """
    values = target.double().numpy()
    variances = values.var(axis=0).tolist()
    scales = [divisor / normaliser.factor for divisor in normaliser.divisor.tolist()]
    rmse = [math.sqrt(e) * scale for e, scale in zip(errors, scales, strict=True)]
    pairs = zip(names, errors, variances, strict=True)
    r2 = {name: 1 - error / variance for name, error, variance in pairs if variance > 0}
    mean = {"r2": sum(r2.values()) / len(r2)} if r2 else {}
    if len(names) == 1:
        return mean | {"rmse": rmse[0]}
    each = {f"r2/{name}": value for name, value in r2.items()}
    return mean | each | {f"rmse/{name}": value for name, value in zip(names, rmse, strict=True)}


def more_metrics(net: nn.Module, split: Split, names: list[str]) -> Metrics:
    """Name -> metric of the training split; empty without a target."""
    if split.target is None:
        return {}
    with torch.no_grad():
        prediction = net(split.input)
        metrics = metrics_of(names)
        return {n: metric(prediction, split.target).item() for n, metric in metrics.items()}


def baseline(loss: Loss, data: Prepared) -> Metrics:
    """The losses of the constant predictor that is best on the training split.

    For classes also the accuracies of always predicting the commonest class of that split.
    """
    if data.train.target is None:
        return {}
    constant = loss.best_constant(data.train.target)
    common = commonest_of(data.train.target.double().mean(dim=0))
    found: Metrics = {}
    for prefix, split in data.reported.items():
        if split.target is None:
            continue
        found[f"{prefix}/loss"] = loss(constant.expand_as(split.target), split.target).item()
        if data.table.task != "regression":
            answer = common.to(split.target).expand_as(split.target)
            found[f"{prefix}/accuracy"] = accuracy(answer, split.target).item()
    return found


def commonest_of(mean: Tensor) -> Tensor:
    """The target row, (outputs,), of the commonest class; of equally common ones the first.

    mean: of the targets, (outputs,), which are one column of 0 and 1, or a column for each class.
    """
    if len(mean) == 1:
        return (mean > 0.5).to(mean)
    return torch.eye(len(mean)).to(mean)[int(mean.argmax())]


def is_finite(net: nn.Module) -> bool:
    """Whether every parameter is finite."""
    return all(bool(torch.isfinite(p).all()) for p in net.parameters())


def gradients(net: nn.Module, loss: Loss, split: Split) -> dict[str, Tensor]:
    """Parameter name -> gradient of the loss over the whole split.

    It is that of the whole split, as the losses are, so that it means the same for every batch
    size. Fixed parameters have none.
    """
    if split.target is None:
        return {}
    free = {name: p for name, p in net.named_parameters() if p.requires_grad}
    if not free:
        return {}
    value = loss(net(split.input), split.target)
    found = torch.autograd.grad(value, list(free.values()))
    return dict(zip(free, found, strict=True))


def predict(net: nn.Module, data: Prepared, input: Tensor) -> Tensor:
    """The predictions (rows, outputs), raw, float64, for raw inputs (rows, features)."""
    with torch.no_grad():
        return data.from_network(net(data.to_network(input)))
