"""What an activation computes, and what it hands back: gradient of its output to that of its input.

As torch has them, also at their corners: relu's and hardtanh's gradients are 0 there. Written for
torch's tensors; the fused engine runs them on vector lanes, as it does the update rules.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

SLOPE = 0.01  # torch's leaky_relu
Row = Sequence[Any]  # the outputs of a layer for one row, or for a lane each


@dataclass(frozen=True)
class Formula:
    """value: z -> a, any shape. back: (gradient of a, z, a) -> gradient of z.

    asks_z: whether `back` looks at z; else z need not be kept.
    """

    value: Callable[[Any], Any]
    back: Callable[[Any, Any, Any], Any]
    asks_z: bool = False


# Of each number by itself, and so without softmax.
FORMULAS = {
    "identity": Formula(lambda z: z, lambda g, z, a: g),
    "sigmoid": Formula(torch.sigmoid, lambda g, z, a: g * (1.0 - a) * a),
    # As autograd has it: infinite times 0 where the exponential overflows.
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
    """Their sum, from left to right."""
    return reduce(operator.add, values)


def softmax(z: Row) -> Row:
    """e^z / Σ e^z over the outputs of a row, shifted by the largest."""
    largest = reduce(torch.maximum, z)
    powers = [torch.exp(value - largest) for value in z]
    whole = total(powers)
    return [power / whole for power in powers]


def softmax_back(g: Row, a: Row) -> Row:
    """a (g - Σ g a): from the gradient of a row's softmax, and its value."""
    inner = g[0] * a[0]
    for gradient, value in zip(g[1:], a[1:], strict=True):
        inner = torch.addcmul(inner, gradient, value)
    return [value * (gradient - inner) for gradient, value in zip(g, a, strict=True)]
