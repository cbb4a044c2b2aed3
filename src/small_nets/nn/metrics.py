"""Metrics besides the losses, and class probabilities."""

from typing import Any

import torch
from torch import Tensor

from small_nets.nn.activation_formulas import Row
from small_nets.nn.losses import check_shapes


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """The fraction of rows whose class is right, a scalar.

    Both arguments are (rows, 1), where the threshold is 0.5, or (rows, classes), where the largest
    counts. Raises ValueError where the shapes differ.
    """
    check_shapes(prediction, target)
    if prediction.shape[-1] == 1:
        return ((prediction > 0.5) == (target > 0.5)).to(prediction.dtype).mean()
    return (prediction.argmax(dim=-1) == target.argmax(dim=-1)).to(prediction.dtype).mean()


def is_right(prediction: Row, target: Row) -> Any:
    """Whether the class of a row is right, for the kernels of the fused engine: see `accuracy`."""
    return torch.eq(_class(prediction), _class(target))


def _class(row: Row) -> Any:
    if len(row) == 1:
        return torch.where(row[0] > 0.5, 1.0, 0.0)
    best, place = row[0], row[0] * 0.0
    for k, value in enumerate(row[1:], start=1):
        is_larger = value > best
        best, place = torch.where(is_larger, value, best), torch.where(is_larger, float(k), place)
    return place


def probabilities(output: Tensor) -> Tensor:
    """The probability of each class, (rows, classes).

    output: (rows, 1), the probability of the second of two classes; or (rows, classes), the
    logits of cross-entropy.
    """
    if output.shape[-1] == 1:
        return torch.cat([1 - output, output], dim=-1)
    return torch.softmax(output, dim=-1)
