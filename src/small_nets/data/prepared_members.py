"""Splits and normalises one table for many seeds at once, with the bits of `Prepared`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.data.normalisation import Normaliser, fit
from small_nets.data.prepared import Prepared, Split
from small_nets.data.rounding import extremes
from small_nets.data.sources import Table


@dataclass(frozen=True)
class Many:
    """The splits of many members of one table.

    train, val, test: as in `Split`, with a first axis of members: (members, rows, columns). input,
    target: the normaliser of each member; target is empty for a table without targets. test: the
    same rows for all members, each in its own normalised units.
    """

    train: Split
    val: Split | None
    test: Split | None
    input: list[Normaliser]
    target: list[Normaliser]


def prepare_many(
    like: Prepared, seeds: Sequence[int], *,
    normalize_input: str, normalize_target: str, normalize_on: str,
) -> Many:  # fmt: skip
    """Prepare a member for each split seed, in other respects as `like` was.

    Raises ValueError where rounding makes a member's column constant or infinite.
    """
    table, division = like.table, like.division
    parts = {s: division.split(s) for s in dict.fromkeys(seeds)}
    train, val = (torch.stack([parts[s][i] for s in seeds]) for i in (0, 1))
    is_on_all = normalize_on == "all"
    fitted_on = division.not_tested if is_on_all else {s: t for s, (t, _) in parts.items()}
    input, input_stack = _fit(normalize_input, table.input, seeds, fitted_on)
    target: list[Normaliser] = []
    target_stack = None
    if table.target is not None:
        target, target_stack = _fit(normalize_target, table.target, seeds, fitted_on)

    def normalised(rows: Tensor, of: Table = table) -> Split | None:
        y = None
        if not rows.shape[1]:
            return None
        if of.target is not None and target_stack is not None:
            y = target_stack.apply(of.target[rows]).to(like.dtype)
        return Split(input_stack.apply(of.input[rows]).to(like.dtype), y, rows)

    trained = normalised(train)
    assert trained is not None, "each member has rows to train on"
    test = normalised(division.test.expand(len(seeds), -1), like.tested)
    found = Many(trained, normalised(val), test, input, target)
    _refuse_lost(input_stack, table.input, like.dtype)
    if table.target is not None and target_stack is not None:
        _refuse_lost(target_stack, table.target, like.dtype)
    return found


def _refuse_lost(stack: Normaliser, values: Tensor, dtype: torch.dtype) -> None:
    constant, infinite = extremes(stack, values, dtype)
    if bool((constant | infinite).any()):
        raise ValueError("rounding makes a column of one of these constant, or infinite")


def _fit(
    method: str, values: Tensor, seeds: Sequence[int], rows: Mapping[int, Tensor] | Tensor
) -> tuple[list[Normaliser], Normaliser]:
    """The normaliser of each member, and one for all, which takes (members, rows, columns).

    rows: to fit on, by split seed, or the same for all.
    """
    # Fitted one by one, because a sum over many members may be added up in another order. Equal
    # rows are fitted only once.
    if isinstance(rows, Tensor) or method == "none" or method.startswith("constant"):
        each = [fit(method, values[rows] if isinstance(rows, Tensor) else values)] * len(seeds)
    else:
        fitted = {seed: fit(method, values[places]) for seed, places in rows.items()}
        each = [fitted[seed] for seed in seeds]
    shift, divisor = (
        torch.stack([getattr(n, name) for n in each])[:, None] for name in ("shift", "divisor")
    )
    return each, Normaliser(shift, each[0].factor, divisor)
