"""A trained net between raw units: its normalisation is part of it, for whoever takes it on."""

from typing import Any

import torch
from torch import Tensor, nn

from small_nets.data.normalisation import Normaliser


class Affine(nn.Module):
    """A normaliser as buffers, which lie in the state and go where the net goes.

    shift, divisor: (columns,), factor: (); float64, and the same bits as a `Normaliser` gives.
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
        return Normaliser(self.shift, self.factor, self.divisor)


class RawNet(nn.Module):
    """Raw inputs (rows, features) to raw predictions (rows, outputs), both in float64.

    net: the same in normalised units, in dtype. Rows are normalised in float64 and rounded once.
    target: None where the run had no target; then raw units are those of the net.
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
        """Rows in raw units as the net takes them. Raises ValueError for another shape."""
        columns = len(self.input.shift)
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ValueError(f"inputs of shape {tuple(rows.shape)}: the network takes (rows, "
                             f"{columns})")  # fmt: skip
        return self.input.normaliser.apply(rows).to(self.dtype)

    def to_raw(self, output: Tensor) -> Tensor:
        """What the net gives, (rows, outputs), in raw units and float64."""
        return output.double() if self.target is None else self.target.normaliser.invert(output)

    def forward(self, rows: Tensor) -> Tensor:
        return self.to_raw(self.net(self.to_network(rows)))
