"""Affine normalisation of columns, fitted once and invertible; all of it in float64.

A network computes in float32, which holds seven digits: a column of unix seconds would lose its
last two if it were rounded first. So raw units are float64, and are rounded once, afterwards.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.config.normalisations import parse

# A column whose values differ by no more than this many roundings of a float64 is constant: what
# differs is how it was computed, and a scale of that size would blow up the next table's rows.
ROUNDINGS = 8


@dataclass(frozen=True)
class Normaliser:
    """x -> (x - shift) * factor / divisor, column by column.

    shift, divisor: shape (columns,), float64; factor: a number. Factor and divisor are kept apart
    because x * 0.1 and x / 10 round differently, and each method must give the numbers of
    the formula it is named after.
    """

    shift: Tensor
    factor: float
    divisor: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """Raw units, shape (rows, columns), to normalised units in float64."""
        shift, divisor = self.shift.to(x.device), self.divisor.to(x.device)
        return (x.double() - shift) * self.factor / divisor

    def invert(self, x: Tensor) -> Tensor:
        """Normalised units, shape (rows, columns), to raw units in float64."""
        shift, divisor = self.shift.to(x.device), self.divisor.to(x.device)
        return x.double() * divisor / self.factor + shift

    @property
    def is_identity(self) -> bool:
        return bool((self.shift == 0).all() and self.factor == 1 and (self.divisor == 1).all())


def fit(method: str, x: Tensor) -> Normaliser:
    """Fit a method to the rows x of shape (rows, columns).

    Methods: "none"; "constant:F" (times F); "lp_norm:P" (each column divided by its L_P norm);
    "standardize" (mean 0, population standard deviation 1); "min_max" (to [0, 1]).
    A constant column is moved, and not scaled. Raises ValueError with the allowed forms.
    """
    name, number = parse(method)
    x = x.double()
    zero, one = torch.zeros_like(x[0]), torch.ones_like(x[0])
    if name == "none":
        return Normaliser(zero, 1.0, one)
    if name == "constant":
        return Normaliser(zero, number, one)
    if name == "lp_norm":
        scale = _power_of_two(x.abs().max(dim=0).values)
        norm = torch.linalg.vector_norm(x / scale, ord=number, dim=0) * scale
        return Normaliser(zero, 1.0, torch.where(norm > 0, norm, one))
    low, high = x.min(dim=0).values, x.max(dim=0).values
    rounding = ROUNDINGS * torch.finfo(x.dtype).eps * torch.maximum(low.abs(), high.abs())
    is_constant = high - low <= rounding
    if name == "min_max":
        return Normaliser(low, 1.0, torch.where(is_constant, one, high - low))
    # From the smallest value on: a difference of neighbours is exact, and so their deviation is,
    # however far from 0 they lie.
    above = x - low
    scale = _power_of_two(high - low)
    scaled = above / scale
    mean = scaled.mean(dim=0)
    deviation = ((scaled - mean) ** 2).mean(dim=0).sqrt()  # a third of the time of torch.std
    return Normaliser(
        torch.where(high == low, low, low + mean * scale),
        1.0,
        torch.where(is_constant, one, deviation * scale),
    )


def _power_of_two(size: Tensor) -> Tensor:
    """Of that size, about: dividing a column by it is exact, and then no power overflows."""
    return torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent - 1)
