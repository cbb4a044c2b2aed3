"""Neurons of one or two numbers written out by hand, with fixed or with trainable tensors."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from small_nets.nn.activations import MODULES


class WeightedSum(nn.Module):
    """x · w + b with plain tensors: (rows, inputs) -> (rows, 1).

    w: (inputs,). b: (1,). trainable: whether they get gradients. Raises ValueError for an input
    with another number of columns.
    """

    def __init__(self, w: Tensor, b: Tensor, trainable: bool) -> None:
        super().__init__()
        self.w = nn.Parameter(w, requires_grad=trainable)
        self.b = nn.Parameter(b, requires_grad=trainable)

    def forward(self, x: Tensor) -> Tensor:
        _check_columns(x, len(self.w))
        return (x * self.w).sum(dim=-1, keepdim=True) + self.b


def _check_columns(x: Tensor, columns: int) -> None:
    # One weight would broadcast over any number of columns.
    if x.shape[-1] != columns:
        raise ValueError(f"the input has {x.shape[-1]} columns, but there are {columns} weights")


class FixedNeuron(nn.Sequential):
    """activation(x · weights + bias) with fixed weights: (rows, len(weights)) -> (rows, 1).

    activation: "step", or the name of a layer's activation.
    """

    def __init__(self, *, weights: Sequence[float], bias: float, activation: str = "step") -> None:
        w, b = torch.tensor([float(x) for x in weights]), torch.tensor([float(bias)])
        act = MODULES[activation]()
        super().__init__(OrderedDict(weighted_sum=WeightedSum(w, b, False), activation=act))


class BareNeuron(nn.Sequential):
    """activation(x · w + b) with plain tensors w and b: (rows, inputs) -> (rows, 1).

    w is drawn from weight_scale times a standard normal, then b from a standard normal.
    activation: the name of a layer's, or "naive_sigmoid". That is the formula as the textbook
    prints it, which can round to 1 and so lead to NaN.
    """

    def __init__(
        self, *, inputs: int, weight_scale: float = 1.0, activation: str = "naive_sigmoid"
    ) -> None:
        w = weight_scale * torch.randn(inputs)
        b = torch.randn(1)
        act = MODULES[activation]()
        super().__init__(OrderedDict(weighted_sum=WeightedSum(w, b, True), activation=act))


class BareLine(nn.Module):
    """y = w x + b with two scalar tensors: (rows, 1) -> (rows, 1).

    w, then b are drawn from a standard normal. Raises ValueError for several columns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(()))
        self.b = nn.Parameter(torch.randn(()))

    def forward(self, x: Tensor) -> Tensor:
        _check_columns(x, 1)
        return self.w * x + self.b


class BareSaddle(nn.Module):
    """y = u x1 + v² x2 with two scalar tensors: (rows, 2) -> (rows, 1).

    start: u and v before training; None draws them, u first, from a standard normal. On the rows
    (1, 0) with target 0 and (0, √½) with target √½ the mean squared error is the surface
    u²/2 + (v² - 1)²/4 = u²/2 - v²/2 + v⁴/4 + 1/4: a saddle at (0, 0), minima at (0, 1) and (0, -1).
    Raises ValueError for another number of columns.
    """

    def __init__(self, *, start: Sequence[float] | None = None) -> None:
        super().__init__()
        u, v = (None, None) if start is None else start
        self.u = nn.Parameter(torch.randn(()) if u is None else torch.full((), float(u)))
        self.v = nn.Parameter(torch.randn(()) if v is None else torch.full((), float(v)))

    def forward(self, x: Tensor) -> Tensor:
        _check_columns(x, 2)
        return self.u * x[..., :1] + self.v**2 * x[..., 1:]
