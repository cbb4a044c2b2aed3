"""The losses and metrics of whole splits: what a logged point holds."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from src.data.normalise import Normaliser
from src.data.prepared import Prepared, Split
from src.losses import METRICS, Loss, accuracy, constant_prediction

Metrics = dict[str, float]


def evaluate(net: nn.Module, loss: Loss, data: Prepared) -> Metrics:
    """`train/loss`, `val/loss` and, for classes, the accuracies. {} where there is no target."""
    found: Metrics = {}
    with torch.no_grad():
        for prefix, split in data.splits.items():
            if split.target is None:
                continue
            prediction = net(split.input)
            found[f"{prefix}/loss"] = loss(prediction, split.target).item()
            if data.table.task != "regression":
                found[f"{prefix}/accuracy"] = accuracy(prediction, split.target).item()
    return found


def regression_metrics(
    losses: Mapping[str, float], targets: Mapping[str, Tensor], normaliser: Normaliser
) -> Metrics:
    """R², and the RMSE in raw units, of mean squared errors over one target column.

    losses: `train/loss`, …, in normalised units. targets: (rows, 1) by prefix, likewise. A split
    whose targets are all alike has no R².
    """
    found: Metrics = {}
    scale = normaliser.divisor.item() / normaliser.factor
    for prefix, target in targets.items():
        loss = losses[f"{prefix}/loss"]
        variance = target.double().var(correction=0).item()
        if variance > 0:
            found[f"{prefix}/r2"] = 1 - loss / variance
        found[f"{prefix}/rmse"] = math.sqrt(loss) * scale
    return found


def more_metrics(net: nn.Module, split: Split, names: list[str]) -> Metrics:
    """The metrics asked for by name, over the training split."""
    if split.target is None:
        return {}
    with torch.no_grad():
        prediction = net(split.input)
        return {name: METRICS[name](prediction, split.target).item() for name in names}


def baseline(loss: Loss, data: Prepared) -> Metrics:
    """The losses of the constant predictor that is best on the training split."""
    if data.train.target is None:
        return {}
    constant = constant_prediction(getattr(loss, "__name__", ""), data.train.target)
    return {
        f"{prefix}/loss": loss(constant.expand_as(split.target), split.target).item()
        for prefix, split in data.splits.items()
        if split.target is not None
    }


def is_finite(net: nn.Module) -> bool:
    """Whether every parameter is."""
    return all(bool(torch.isfinite(p).all()) for p in net.parameters())


def gradients(net: nn.Module, loss: Loss, split: Split) -> dict[str, Tensor]:
    """Parameter name -> gradient of the loss over the whole split, at these parameters.

    Defined by whole splits, like the losses, so that it means the same for every batch size.
    Fixed parameters have none.
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
    """Raw inputs (rows, features) to raw predictions (rows, outputs)."""
    with torch.no_grad():
        output = net(data.input_normaliser.apply(input))
    normaliser = data.target_normaliser
    return output if normaliser is None else normaliser.invert(output)
