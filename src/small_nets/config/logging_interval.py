"""Chooses evenly spaced items: the logged points of a run, and what is shown of many things."""

import math
from collections.abc import Mapping
from typing import Any


def evenly(count: int, most: int) -> list[int]:
    """At most `most` evenly spaced places among `count`, including the first and the last."""
    if count <= most:
        return list(range(count))
    return [i * (count - 1) // (most - 1) for i in range(most)]


def log_every(config: Mapping[str, Any]) -> int:
    """The epochs between two logged points.

    If `log_every` is null, it is the number 1, 2 or 5 · 10ⁿ that is nearest to a hundredth of
    `trainer.max_epochs`.
    """
    if config["log_every"] is not None:
        return config["log_every"]
    wanted = max(config["trainer"]["max_epochs"] / 100, 1.0)
    exponent = math.floor(math.log10(wanted))
    nice = [m * 10**e for e in (exponent, exponent + 1) for m in (1, 2, 5)]
    return min(nice, key=lambda k: abs(math.log(k / wanted)))
