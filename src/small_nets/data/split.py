"""Decides which rows are held out: for the test at the end, and for validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from small_nets.data.sources import Table


@dataclass(frozen=True)
class Strata:
    """The class of each row, and how many rows of each class are held out.

    places: the number of each row's class, (rows,). held_out: by class number.
    """

    places: Tensor
    held_out: tuple[int, ...]


def held_out_of(rows: int, fraction: float, key: str = "data.val_fraction") -> int:
    """The number of rows that a fraction of them holds out: int(fraction * rows).

    Raises ValueError where the one or the other part would have no row.
    """
    held_out = int(fraction * rows)
    if fraction != 0 and not 0 < held_out < rows:
        least = math.ceil(1000 / rows) / 1000
        possible = f"{least:g} or more, and below 1," if rows > 1 else "none of one row,"
        raise ValueError(
            f"{key}={fraction:g} is not allowed: of {rows} rows it holds out "
            f"{held_out} and leaves {rows - held_out} for training.\nAllowed: 0 for no "
            f"{'test' if 'test' in key else 'validation'} split, or {possible} so that each split "
            "has a row"
        )
    return held_out


def strata(
    table: Table, held_out: int, shuffle: bool, stratify: bool | None,
    names: Sequence[str] | None = None, key: str = "data.val_fraction",
) -> Strata | None:  # fmt: skip
    """The strata of a split that holds out so many rows; None for one that is not stratified.

    Each class has its share of the rows that are held out, rounded by largest remainders, and at
    least one row in either split. stratify: True demands this, None takes it where it is possible.
    names: of the classes, and key: what holds out, for messages. Raises ValueError where it is
    demanded and impossible.
    """
    if stratify is False or held_out == 0:
        return None
    reason = _no_classes(table, shuffle)
    if reason is not None or table.target is None:
        return _not_stratified(stratify, reason or "")
    places, counts = class_counts(table)
    there = [place for place, count in enumerate(counts) if count]
    few = [place for place in there if counts[place] < 2]
    if few:
        return _not_stratified(
            stratify,
            f"the class {called(few[0], counts, names)!r} has one row, and each class needs one in "
            "either split.\nFix: more rows of it, or data.stratify=null",
        )
    smaller = min(held_out, len(places) - held_out)
    if smaller < len(there):
        return _not_stratified(
            stratify,
            f"one of the splits has {smaller} row{'s' if smaller != 1 else ''}, and there are "
            f"{len(there)} classes.\n"
            f"Fix: another {key}, or data.stratify=null",
        )
    return Strata(places, tuple(_shares(counts, held_out)))


def class_counts(table: Table) -> tuple[Tensor, list[int]]:
    """The number of each row's class, (rows,), and how many rows each class has."""
    assert table.target is not None, "classes are those of a target"
    places = class_places(table.target)
    return places, torch.bincount(places, minlength=max(table.target.shape[1], 2)).tolist()


def called(place: int, counts: Sequence[int], names: Sequence[str] | None) -> str | int:
    """The name of a class, or its number where it has none."""
    return names[place] if names and len(names) == len(counts) else place


def _not_stratified(stratify: bool | None, reason: str) -> None:
    if stratify:
        raise ValueError(f"data.stratify=true, but {reason}")


def _no_classes(table: Table, shuffle: bool) -> str | None:
    if table.task == "regression" or table.target is None:
        return "these targets are numbers, not classes.\nFix: data.stratify=null"
    if not shuffle:
        return (
            "data.shuffle=false holds out the last rows as they stand.\n"
            "Fix: data.shuffle=true, or data.stratify=null"
        )
    return None


def class_places(target: Tensor) -> Tensor:
    """The number of each row's class, (rows,). target: (rows, 1) with 0 and 1, or one-hot rows."""
    return (target[:, 0] > 0.5).long() if target.shape[1] == 1 else target.argmax(dim=1)


def _shares(counts: Sequence[int], held_out: int) -> list[int]:
    """How many rows of each class to hold out: in proportion, `held_out` in all.

    At least one row of each class stays in either split.
    """
    wanted = [held_out * count / sum(counts) for count in counts]
    found = [min(max(int(w), 1), n - 1) if n else 0 for w, n in zip(wanted, counts, strict=True)]
    while sum(found) != held_out:
        step = 1 if sum(found) < held_out else -1
        # Change the class that is furthest from its share; of equal ones the first.
        able = [c for c, n in enumerate(counts) if n and 1 <= found[c] + step <= n - 1]
        found[max(able, key=lambda c: (wanted[c] - found[c]) * step)] += step
    return found


def permutation(rows: int, shuffle: bool, seed: int) -> Tensor:
    """The order in which rows are parted, (rows,).

    It has a generator of its own, so that a split does not change a model's initial weights.
    """
    if not shuffle:
        return torch.arange(rows)
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))


def split(
    rows: int, held_out: int, shuffle: bool, seed: int, by: Strata | None = None
) -> tuple[Tensor, Tensor]:
    """The row indices of the rows that stay and of those held out, each of shape (n,).

    The last ones of a permutation are held out. by: hold out the last rows of each class in that
    permutation. Without shuffle, the last rows are held out.
    """
    if held_out == 0:
        return torch.arange(rows), torch.arange(0)
    order = permutation(rows, shuffle, seed)
    if by is None:
        return order[: rows - held_out], order[rows - held_out :]
    places, is_held = by.places[order], torch.zeros(rows, dtype=torch.bool)
    for place, count in enumerate(by.held_out):
        if count:
            is_held[(places == place).nonzero()[-count:, 0]] = True
    return order[~is_held], order[is_held]
