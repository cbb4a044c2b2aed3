"""Activations of lanes, and what each hands back: gradient of its output to that of its input.

As torch has them, also at their corners: relu's and hardtanh's gradients are 0 there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from src.engines.fused import functions
from src.engines.fused.lanes import Lanes, largest_of, sum_of

SLOPE = 0.01  # torch's leaky_relu


@dataclass(frozen=True)
class Activation:
    """value: z -> a. back: (gradient of a, z, a) -> gradient of z.

    asks_z: whether `back` looks at z; else z need not be kept.
    """

    value: Callable[[Lanes], Lanes]
    back: Callable[[Lanes, Lanes, Lanes], Lanes]
    asks_z: bool = False


def _naive_sigmoid(z: Lanes) -> Lanes:
    return 1.0 / (functions.exp(-z) + 1.0)


ACTIVATIONS = {
    "identity": Activation(lambda z: z, lambda g, z, a: g),
    "sigmoid": Activation(functions.sigmoid, lambda g, z, a: g * (1.0 - a) * a),
    # As autograd has it: infinite times 0 where the exponential overflows.
    "naive_sigmoid": Activation(
        _naive_sigmoid, lambda g, z, a: g * (a * a) * functions.exp(-z), asks_z=True
    ),
    "tanh": Activation(functions.tanh, lambda g, z, a: g * (-a).fma(a, 1.0)),
    "relu": Activation(lambda z: z.most(0.0), lambda g, z, a: (a <= 0.0).where(0.0, g)),
    "hardtanh": Activation(
        lambda z: z.most(-1.0).least(1.0),
        lambda g, z, a: ((a <= -1.0) | (a >= 1.0)).where(0.0, g),
    ),
    "leaky_relu": Activation(
        lambda z: (z > 0.0).where(z, z * SLOPE), lambda g, z, a: (a > 0.0).where(g, g * SLOPE)
    ),
}


def softmax(z: list[Lanes]) -> list[Lanes]:
    """e^z / Σ e^z over the outputs of a row, shifted by the largest."""
    largest = largest_of(z)
    powers = [functions.exp(value - largest) for value in z]
    whole = sum_of(powers)
    return [power / whole for power in powers]


def softmax_back(g: list[Lanes], a: list[Lanes]) -> list[Lanes]:
    """a (g - Σ g a)."""
    inner = g[0] * a[0]
    for gradient, value in zip(g[1:], a[1:], strict=True):
        inner = gradient.fma(value, inner)
    return [value * (gradient - inner) for gradient, value in zip(g, a, strict=True)]
