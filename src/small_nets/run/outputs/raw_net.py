"""A trained net with its normalisation: from raw inputs to raw predictions."""

from typing import Any

import torch
from torch import Tensor, nn

from small_nets.data.normalisation import Normaliser


class Affine(nn.Module):
    """A `Normaliser` as buffers, so that it is part of the net's state and moves with it.

    shift, divisor: (columns,), float64. factor: (), float64. It gives the same bits.
    """

    shift: Tensor
    factor: Any  # a tensor where a Normaliser has a number
    divisor: Tensor

    def __init__(self, normaliser: Normaliser) -> None:
        super().__init__()
        self.register_buffer("shift", normaliser.shift.double())
        self.register_buffer("factor", torch.tensor(normaliser.factor, dtype=torch.float64))
        self.register_buffer("divisor", normaliser.divisor.double())

    @property
    def normaliser(self) -> Normaliser:
        """The normaliser itself."""
        return Normaliser(self.shift, self.factor, self.divisor)


class RawNet(nn.Module):
    """A net from raw inputs (rows, features) to raw predictions (rows, outputs), in float64.

    net: the part between normalised units, in `dtype`. Rows are normalised in float64, then
    rounded to `dtype`. target: the target's normaliser; None for a run without a target, whose
    predictions are the net's outputs.
    """

    def __init__(
        self, net: nn.Module, input: Normaliser, target: Normaliser | None, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.net = net
        self.input = Affine(input)
        self.target = None if target is None else Affine(target)
        self.dtype = dtype

    def to_network(self, rows: Tensor) -> Tensor:
        """Normalise raw rows, (rows, features), for the net. Raises ValueError for other shapes."""
        columns = len(self.input.shift)
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ValueError(f"inputs of shape {tuple(rows.shape)}: the network takes (rows, "
                             f"{columns})")  # fmt: skip
        return self.input.normaliser.apply(rows).to(self.dtype)

    def to_raw(self, output: Tensor) -> Tensor:
        """The net's outputs, (rows, outputs), in raw units, float64."""
        return output.double() if self.target is None else self.target.normaliser.invert(output)

    def forward(self, rows: Tensor) -> Tensor:
        return self.to_raw(self.net(self.to_network(rows)))
