"""Activations by name, and the textbook ones written out."""

import torch
from torch import Tensor, nn


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x), any shape. The two halves never take exp of a positive number.

    clamp, not abs: at 0 the gradient of abs is 0, and that of sigmoid is 1/4.
    """
    right = 1 / (1 + torch.exp(-x.clamp(min=0)))
    small = torch.exp(x.clamp(max=0))
    return torch.where(x >= 0, right, small / (1 + small))


def tanh(x: Tensor) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x), any shape, by expm1: exact near 0, no overflow far out."""
    right = torch.expm1(-2 * x.clamp(min=0))
    left = torch.expm1(2 * x.clamp(max=0))
    return torch.where(x >= 0, -right / (2 + right), left / (2 + left))


def relu(x: Tensor) -> Tensor:
    """max(0, x), any shape; the gradient at 0 is 0, as torch has it."""
    return torch.where(x > 0, x, torch.zeros_like(x))


def softmax(x: Tensor) -> Tensor:
    """e^x / sum e^x over the last dimension; shifting by the maximum changes nothing but range."""
    exponent = torch.exp(x - x.max(dim=-1, keepdim=True).values.detach())
    return exponent / exponent.sum(dim=-1, keepdim=True)


class Sigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)


class Tanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return tanh(x)


class Relu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return relu(x)


class Softmax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return softmax(x)


class LastSoftmax(nn.Softmax):
    """torch's softmax over the last dimension."""

    def __init__(self) -> None:
        super().__init__(dim=-1)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "hardtanh": nn.Hardtanh,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "softmax": LastSoftmax,
    "sigmoid_by_hand": Sigmoid,
    "tanh_by_hand": Tanh,
    "relu_by_hand": Relu,
    "softmax_by_hand": Softmax,
}
