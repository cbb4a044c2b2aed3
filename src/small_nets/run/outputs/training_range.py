"""What a network saw of its training split: the range of its inputs, the mean of its targets.

It travels with the weights, so that a prediction can be scored beside the constant predictor, and
inputs far from all that was learned can be named, without the table of then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser

FAR = 0.1  # of the range's width: beyond it by more is far, and not just a new extreme


@dataclass(frozen=True)
class Seen:
    """low, high: of each input, (inputs,), raw units. mean: of the targets, (outputs,).

    In float64. mean is in normalised units, as the loss takes it; None where there is no target.
    """

    low: Tensor
    high: Tensor
    mean: Tensor | None

    def to_lists(self) -> dict[str, list[float] | None]:
        """Plain containers, for JSON."""
        mean = None if self.mean is None else self.mean.tolist()
        return {"low": self.low.tolist(), "high": self.high.tolist(), "mean": mean}

    @classmethod
    def of_lists(cls, found: Mapping[str, list[float] | None]) -> "Seen":
        """Raises KeyError, TypeError, ValueError."""
        low, high = (torch.tensor(found[key], dtype=torch.float64) for key in ("low", "high"))
        mean = found["mean"]
        return cls(low, high, None if mean is None else torch.tensor(mean, dtype=torch.float64))


def seen(input: Tensor, target: Tensor | None, normaliser: Normaliser) -> Seen:
    """input: (rows, inputs), target: (rows, outputs), normalised; normaliser: of the inputs."""
    several = None if target is None else target[None]
    found = {name: v[0] for name, v in stacked(input[None], several, [normaliser]).items()}
    return Seen(found["low"], found["high"], found.get("mean"))


def stacked(
    input: Tensor, target: Tensor | None, normalisers: Sequence[Normaliser]
) -> dict[str, Tensor]:
    """The same of many members: name -> (members, …).

    input: (members, rows, inputs); target: (members, rows, outputs); normalisers: one a member.
    """
    shift, divisor = (
        torch.stack([getattr(n, name) for n in normalisers]).double()
        for name in ("shift", "divisor")
    )
    factor = torch.tensor([n.factor for n in normalisers], dtype=torch.float64)[:, None]
    ends = {"low": input.amin(dim=1), "high": input.amax(dim=1)}  # factor and divisor are positive
    found = {name: e.double().cpu() * divisor / factor + shift for name, e in ends.items()}
    return found if target is None else found | {"mean": target.double().mean(dim=1).cpu()}


def far_outside(seen: Seen, rows: Tensor, names: Sequence[str]) -> list[str]:
    """A sentence for each input that lies far outside the range of training, with how many rows.

    rows: (rows, inputs), raw units. names: of the inputs. Nothing of columns of 0 and 1, such as
    the places of a text's categories: they have no range. But of those that had one value only,
    as where the rows of a category are all held out.
    """
    rows = rows.double()
    width = seen.high - seen.low
    # Rounding alone moves a value by some ulp of float32, in which the range may be held.
    rounding = 1e-6 * torch.maximum(seen.low.abs(), seen.high.abs())
    margin = FAR * width + rounding
    outside = (rows < seen.low - margin) | (rows > seen.high + margin)
    flags = torch.stack([seen.low, seen.high])
    is_flag = (((flags == 0) | (flags == 1)).all(dim=0)) & ((rows == 0) | (rows == 1)).all(dim=0)
    is_flag &= seen.low != seen.high
    counts = (outside & ~is_flag).sum(dim=0).tolist()
    return [
        (
            f"the input {name!r} lies far outside its range of training, {low:.6g} to {high:.6g},"
            if low < high
            else f"the input {name!r} was {low:.6g} in every row of training, and is not"
        )
        + f" in {count:,} of {len(rows):,} row{'s' if len(rows) > 1 else ''}: nothing was learned "
        "there"
        for name, count, low, high in zip(
            names, counts, seen.low.tolist(), seen.high.tolist(), strict=True
        )
        if count
    ]
