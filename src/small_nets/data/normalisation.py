"""Affine, invertible normalisation of columns, in float64.

A network computes in float32, which holds seven digits. A column of unix seconds would lose its
last two if it were rounded before it is normalised. So raw units are float64, and rounding comes
last.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.config.normalisations import parse

# A column counts as constant if its values differ by at most so many roundings of a float64. Such
# differences come from how it was computed, and dividing by them would blow up other rows.
ROUNDINGS = 8


@dataclass(frozen=True)
class Normaliser:
    """The map x -> (x - shift) * factor / divisor, for each column.

    shift, divisor: shape (columns,), float64. factor and divisor are separate because x * 0.1 and
    x / 10 round differently, and each method has to give the numbers of its own formula.
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
        """Whether normalised units are raw units."""
        return bool((self.shift == 0).all() and self.factor == 1 and (self.divisor == 1).all())


def fit(method: str, x: Tensor) -> Normaliser:
    """Fit a normalisation to rows x of shape (rows, columns).

    - "none"
    - "constant:F": multiply by F
    - "lp_norm:P": divide each column by its L_P norm
    - "standardize": mean 0, population standard deviation 1
    - "min_max": to [0, 1]

    The last two only shift a constant column. Raises ValueError, which lists the methods.
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
    # Measured from the smallest value: differences of close numbers are exact, and so is their
    # deviation, however far from 0 they lie.
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
    """A power of two of about this size. Dividing by it is exact, and prevents overflow."""
    return torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent - 1)
