"""The formulas of activations: their values, and their gradients.

They equal torch's, also at corners, where the gradients of relu and hardtanh are 0. They are
written for torch's tensors. The fused engine runs them on vector lanes, as it does the update
rules.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

SLOPE = 0.01  # of torch's leaky_relu
Row = Sequence[Any]  # the outputs of a layer for one row; each may be a vector of lanes


@dataclass(frozen=True)
class Formula:
    """An activation a = f(z), for tensors of any shape.

    value: z -> a. back: (gradient of a, z, a) -> gradient of z. asks_z: whether `back` uses z;
    otherwise z need not be kept.
    """

    value: Callable[[Any], Any]
    back: Callable[[Any, Any, Any], Any]
    asks_z: bool = False


# Activations that act on each number by itself; softmax does not.
FORMULAS = {
    "identity": Formula(lambda z: z, lambda g, z, a: g),
    "sigmoid": Formula(torch.sigmoid, lambda g, z, a: g * (1.0 - a) * a),
    # Equal to autograd's gradient: infinity times 0 where the exponential overflows.
    "naive_sigmoid": Formula(
        lambda z: 1.0 / (torch.exp(-z) + 1.0),
        lambda g, z, a: g * (a * a) * torch.exp(-z),
        asks_z=True,
    ),
    "tanh": Formula(torch.tanh, lambda g, z, a: g * torch.addcmul(torch.ones_like(a), -a, a)),
    "relu": Formula(torch.relu, lambda g, z, a: torch.where(a <= 0.0, 0.0, g)),
    "hardtanh": Formula(
        lambda z: torch.clamp(z, -1.0, 1.0),
        lambda g, z, a: torch.where((a <= -1.0) | (a >= 1.0), 0.0, g),
    ),
    "leaky_relu": Formula(
        lambda z: torch.where(z > 0.0, z, z * SLOPE),
        lambda g, z, a: torch.where(a > 0.0, g, g * SLOPE),
    ),
}


def total(values: Row) -> Any:
    """The sum of values, added from left to right."""
    return reduce(operator.add, values)


def softmax(z: Row) -> Row:
    """e^z / Σ e^z over the outputs of a row, computed after subtracting the largest z."""
    largest = reduce(torch.maximum, z)
    powers = [torch.exp(value - largest) for value in z]
    whole = total(powers)
    return [power / whole for power in powers]


def softmax_back(g: Row, a: Row) -> Row:
    """The gradient of z, a (g - Σ g a). g: the gradient of a row's softmax. a: its value."""
    inner = g[0] * a[0]
    for gradient, value in zip(g[1:], a[1:], strict=True):
        inner = torch.addcmul(inner, gradient, value)
    return [value * (gradient - inner) for gradient, value in zip(g, a, strict=True)]
