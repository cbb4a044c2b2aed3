"""One table, split and normalised for many seeds at once: to the bit what `Prepared` makes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from src.data.normalise import Normaliser, fit
from src.data.prepared import Prepared, Split
from src.data.split import split


@dataclass(frozen=True)
class Many:
    """Members of one table. train, val: (members, rows, columns) in place of (rows, columns).

    input, target: the normaliser of each; target is empty for a table without one.
    """

    train: Split
    val: Split | None
    input: list[Normaliser]
    target: list[Normaliser]


def prepare_many(
    like: Prepared, seeds: Sequence[int], *,
    val_fraction: float, normalize_input: str, normalize_target: str, normalize_on: str,
) -> Many:  # fmt: skip
    """As many members as seeds of the split, else prepared as `like` was."""
    table, count = like.table, len(like.table.input)
    parts = {s: split(count, val_fraction, like.shuffle, s) for s in dict.fromkeys(seeds)}
    train, val = (torch.stack([parts[s][i] for s in seeds]) for i in (0, 1))
    fitted_on = train if normalize_on == "train" else torch.arange(count).expand(len(seeds), -1)
    input, input_stack = _fit(normalize_input, table.input, fitted_on)
    target: list[Normaliser] = []
    target_stack = None
    if table.target is not None:
        target, target_stack = _fit(normalize_target, table.target, fitted_on)

    def normalised(rows: Tensor) -> Split:
        y = None
        if table.target is not None and target_stack is not None:
            y = target_stack.apply(table.target[rows])
        return Split(input_stack.apply(table.input[rows]), y, rows)

    return Many(normalised(train), normalised(val) if val.shape[1] else None, input, target)


def _fit(method: str, values: Tensor, rows: Tensor) -> tuple[list[Normaliser], Normaliser]:
    """Each member's normaliser; and all as one, for (members, rows, columns)."""
    # One by one: a sum over many members at once may be added up in another order.
    if method == "none" or method.startswith("constant"):
        each = [fit(method, values)] * len(rows)
    else:
        each = [fit(method, values[places]) for places in rows]
    shift, divisor = (
        torch.stack([getattr(n, name) for n in each])[:, None] for name in ("shift", "divisor")
    )
    return each, Normaliser(shift, each[0].factor, divisor)
