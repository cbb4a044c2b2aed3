"""How often a run is looked at, and what of many things is shown."""

import math
from collections.abc import Mapping
from typing import Any


def evenly(count: int, most: int) -> list[int]:
    """Places of at most `most` of so many things, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [i * (count - 1) // (most - 1) for i in range(most)]


def log_every(config: Mapping[str, Any]) -> int:
    """Epochs between points: as asked for, or the 1, 2 or 5 · 10ⁿ nearest a hundredth."""
    if config["log_every"] is not None:
        return config["log_every"]
    wanted = max(config["trainer"]["max_epochs"] / 100, 1.0)
    exponent = math.floor(math.log10(wanted))
    nice = [m * 10**e for e in (exponent, exponent + 1) for m in (1, 2, 5)]
    return min(nice, key=lambda k: abs(math.log(k / wanted)))
