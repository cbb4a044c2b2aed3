"""The range of a run's training inputs, and the mean of its training targets.

They are stored with the weights. So a prediction can be compared with the constant predictor, and
inputs far outside the training range can be named, without the training table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser

FAR = 0.1  # of the range's width; a value further outside than this is called far


@dataclass(frozen=True)
class Seen:
    """The range of the training inputs, and the mean of the training targets, in float64.

    low, high: of each input, (inputs,), in raw units. mean: of the targets, (outputs,), in
    normalised units; None where there is no target.
    """

    low: Tensor
    high: Tensor
    mean: Tensor | None

    def to_lists(self) -> dict[str, list[float] | None]:
        """The same as plain containers, for JSON."""
        mean = None if self.mean is None else self.mean.tolist()
        return {"low": self.low.tolist(), "high": self.high.tolist(), "mean": mean}

    @classmethod
    def of_lists(cls, found: Mapping[str, list[float] | None]) -> "Seen":
        """The reverse of `to_lists`. Raises KeyError, TypeError, ValueError."""
        low, high = (torch.tensor(found[key], dtype=torch.float64) for key in ("low", "high"))
        mean = found["mean"]
        return cls(low, high, None if mean is None else torch.tensor(mean, dtype=torch.float64))


def seen(input: Tensor, target: Tensor | None, normaliser: Normaliser) -> Seen:
    """Measure a training split.

    input: (rows, inputs), normalised. target: (rows, outputs), normalised, or None. normaliser: of
    the inputs.
    """
    several = None if target is None else target[None]
    found = {name: v[0] for name, v in stacked(input[None], several, [normaliser]).items()}
    return Seen(found["low"], found["high"], found.get("mean"))


def stacked(
    input: Tensor, target: Tensor | None, normalisers: Sequence[Normaliser]
) -> dict[str, Tensor]:
    """Measure the training splits of many members: low, high, mean -> (members, …).

    input: (members, rows, inputs). target: (members, rows, outputs), or None. normalisers: of each
    member's inputs.
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
    """A sentence for each input that lies far outside its training range in some rows.

    rows: (rows, inputs), in raw units. names: of the inputs. Columns of 0 and 1, such as one-hot
    columns, are left out, unless they had one value in all training rows (for example because all
    rows of a category were held out).
    """
    rows = rows.double()
    width = seen.high - seen.low
    # The range may have been rounded to float32.
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
