"""Class weights in the loss: `loss.class_weight`.

The weight of a class is the weight of each of its rows. In a single run the loss finds a row's
weight from its target. The members of a cohort have weights of their own. There a row's weight is
a last column of its target, so that it is cut and shuffled with the target.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from small_nets.config.errors import InputError
from small_nets.config.schema import show


def class_weights(wanted: Any, mean: Tensor, names: Sequence[str] | None = None) -> Tensor:
    """The weight of each class, (classes,), float64.

    wanted: "balanced", for rows / (classes · rows of the class), or a list of weights. mean: of
    the training split's targets, (outputs,), which is the share of each class; a single output
    stands for two classes. names: of the classes, for messages. Raises InputError for a list of
    another length, and where "balanced" meets a class without rows.
    """
    count = max(len(mean), 2)
    names = [str(name) for name in names or range(count)]
    if wanted != "balanced":
        if len(wanted) != count:
            raise InputError(
                f"loss.class_weight={show(wanted)} is of length {len(wanted)}, but there are "
                f"{count} classes: {', '.join(names)}.\n"
                "Fix: a weight for each, in this order, or loss.class_weight=balanced"
            )
        return torch.tensor(wanted, dtype=torch.float64)
    shares = torch.cat([1 - mean, mean]) if len(mean) == 1 else mean
    missing = (shares == 0).nonzero().flatten().tolist()
    if missing:
        raise InputError(
            f"loss.class_weight=balanced, but the class {names[missing[0]]!r} has no row in the "
            "training split to be counted.\nFix: data.stratify=true, or a list of weights"
        )
    return 1 / (count * shares.double())


def row_weights(target: Tensor, weights: Tensor) -> Tensor:
    """The weight of each row, (rows,), by its class. target: (rows, outputs); weights: (classes,).

    A target between 0 and 1 gets a weight between those of the two classes.
    """
    if target.shape[1] == 1:
        return (1 - target[:, 0]) * weights[0] + target[:, 0] * weights[1]
    return (target * weights).sum(dim=1)


def with_weights(target: Tensor, weights: Tensor) -> Tensor:
    """A target, (rows, outputs), with the weights of its rows as a last column."""
    return torch.cat([target, row_weights(target, weights.to(target))[:, None]], dim=1)
