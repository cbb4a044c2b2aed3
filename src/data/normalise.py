"""Affine normalisation of columns, fitted once and invertible."""

from dataclasses import dataclass

import torch
from torch import Tensor

from src.data.method import parse


@dataclass(frozen=True)
class Normaliser:
    """x -> (x - shift) * factor / divisor, column by column.

    shift, divisor: shape (columns,); factor: a number. Factor and divisor are kept apart
    because x * 0.1 and x / 10 round differently, and each method must give the numbers of
    the formula it is named after.
    """

    shift: Tensor
    factor: float
    divisor: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Raw units, shape (rows, columns), to normalised units."""
        return (x - self.shift.to(x)) * self.factor / self.divisor.to(x)

    def invert(self, x: Tensor) -> Tensor:
        """Normalised units, shape (rows, columns), to raw units."""
        return x * self.divisor.to(x) / self.factor + self.shift.to(x)

    @property
    def is_identity(self) -> bool:
        return bool((self.shift == 0).all() and self.factor == 1 and (self.divisor == 1).all())


def _positive(scale: Tensor, x: Tensor) -> Tensor:
    # A constant column has no scale of its own, only rounding; dividing by 1 leaves it alone.
    rounding = 8 * torch.finfo(x.dtype).eps * x.abs().max(dim=0).values
    return torch.where(scale > rounding, scale, torch.ones_like(scale))


def fit(method: str, x: Tensor) -> Normaliser:
    """Fit a method to the rows x of shape (rows, columns).

    Methods: "none"; "constant:F" (times F); "lp_norm:P" (each column divided by its L_P norm);
    "standardize" (mean 0, population standard deviation 1); "min_max" (to [0, 1]).
    Raises ValueError with the allowed forms.
    """
    name, number = parse(method)
    zero, one = torch.zeros_like(x[0]), torch.ones_like(x[0])
    if name == "none":
        return Normaliser(zero, 1.0, one)
    if name == "constant":
        return Normaliser(zero, number, one)
    if name == "lp_norm":
        norm = torch.linalg.vector_norm(x, ord=number, dim=0)
        return Normaliser(zero, 1.0, _positive(norm, x))
    if name == "standardize":
        return Normaliser(x.mean(dim=0), 1.0, _positive(x.std(dim=0, correction=0), x))
    low, high = x.min(dim=0).values, x.max(dim=0).values
    return Normaliser(low, 1.0, _positive(high - low, x))
