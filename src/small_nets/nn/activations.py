"""Activations by name, and those that are written out by hand."""

from pkgutil import resolve_name

import torch
from torch import Tensor, nn

from small_nets.config.components import ACTIVATIONS


class Sigmoid(nn.Module):
    """1 / (1 + e^-x), any shape. It never computes exp of a positive number.

    It uses clamp, not abs: at 0 the gradient of abs is 0, but that of sigmoid is 1/4.
    """

    def forward(self, x: Tensor) -> Tensor:
        right = 1 / (1 + torch.exp(-x.clamp(min=0)))
        small = torch.exp(x.clamp(max=0))
        return torch.where(x >= 0, right, small / (1 + small))


class Tanh(nn.Module):
    """(e^x - e^-x) / (e^x + e^-x), any shape. expm1 makes it exact near 0, without overflow."""

    def forward(self, x: Tensor) -> Tensor:
        right = torch.expm1(-2 * x.clamp(min=0))
        left = torch.expm1(2 * x.clamp(max=0))
        return torch.where(x >= 0, -right / (2 + right), left / (2 + left))


class Relu(nn.Module):
    """max(0, x), any shape. The gradient at 0 is 0, as in torch."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, torch.zeros_like(x))


class Softmax(nn.Module):
    """e^x / sum e^x over the last dimension. Subtracting the maximum prevents overflow."""

    def forward(self, x: Tensor) -> Tensor:
        exponent = torch.exp(x - x.max(dim=-1, keepdim=True).values.detach())
        return exponent / exponent.sum(dim=-1, keepdim=True)


class LastSoftmax(nn.Softmax):
    """torch's softmax over the last dimension."""

    def __init__(self) -> None:
        super().__init__(dim=-1)


class NaiveSigmoid(nn.Module):
    """1 / (1 + e^-x), any shape, as the textbook prints it. It may overflow."""

    def forward(self, x: Tensor) -> Tensor:
        return 1 / (1 + torch.exp(-x))


class Step(nn.Module):
    """1 where x is above 0, else 0, any shape: the activation of the first neurons."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


MODULES: dict[str, type[nn.Module]] = {
    name: resolve_name(found.where) for name, found in ACTIVATIONS.items()
}
