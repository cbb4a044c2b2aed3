"""Splits and normalises one table for many seeds at once, with the bits of `Prepared`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser, fit
from small_nets.data.prepared import Prepared, Split
from small_nets.data.rounding import extremes
from small_nets.data.split import split


@dataclass(frozen=True)
class Many:
    """The splits of many members of one table.

    train, val: as in `Split`, with a first axis of members: (members, rows, columns). input,
    target: the normaliser of each member; target is empty for a table without targets.
    """

    train: Split
    val: Split | None
    input: list[Normaliser]
    target: list[Normaliser]


def prepare_many(
    like: Prepared, seeds: Sequence[int], *,
    val_fraction: float, normalize_input: str, normalize_target: str, normalize_on: str,
) -> Many:  # fmt: skip
    """Prepare a member for each split seed, in other respects as `like` was.

    Raises ValueError where rounding makes a member's column constant or infinite.
    """
    table, count = like.table, len(like.table.input)
    parts = {
        s: split(count, val_fraction, like.shuffle, s, like.strata) for s in dict.fromkeys(seeds)
    }
    train, val = (torch.stack([parts[s][i] for s in seeds]) for i in (0, 1))
    fitted_on = {s: rows if normalize_on == "train" else None for s, (rows, _) in parts.items()}
    input, input_stack = _fit(normalize_input, table.input, seeds, fitted_on)
    target: list[Normaliser] = []
    target_stack = None
    if table.target is not None:
        target, target_stack = _fit(normalize_target, table.target, seeds, fitted_on)

    def normalised(rows: Tensor) -> Split:
        y = None
        if table.target is not None and target_stack is not None:
            y = target_stack.apply(table.target[rows]).to(like.dtype)
        return Split(input_stack.apply(table.input[rows]).to(like.dtype), y, rows)

    found = Many(normalised(train), normalised(val) if val.shape[1] else None, input, target)
    _refuse_lost(input_stack, table.input, like.dtype)
    if table.target is not None and target_stack is not None:
        _refuse_lost(target_stack, table.target, like.dtype)
    return found


def _refuse_lost(stack: Normaliser, values: Tensor, dtype: torch.dtype) -> None:
    constant, infinite = extremes(stack, values, dtype)
    if bool((constant | infinite).any()):
        raise ValueError("rounding makes a column of one of these constant, or infinite")


def _fit(
    method: str, values: Tensor, seeds: Sequence[int], rows: Mapping[int, Tensor | None]
) -> tuple[list[Normaliser], Normaliser]:
    """The normaliser of each member, and one for all, which takes (members, rows, columns).

    rows: split seed -> rows to fit on; None for all rows.
    """
    # Fitted one by one, because a sum over many members may be added up in another order. Equal
    # rows are fitted only once.
    if method == "none" or method.startswith("constant") or None in rows.values():
        each = [fit(method, values)] * len(seeds)
    else:
        fitted = {seed: fit(method, values[places]) for seed, places in rows.items()}
        each = [fitted[seed] for seed in seeds]
    shift, divisor = (
        torch.stack([getattr(n, name) for n in each])[:, None] for name in ("shift", "divisor")
    )
    return each, Normaliser(shift, each[0].factor, divisor)
