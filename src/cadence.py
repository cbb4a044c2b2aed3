"""How often a run is looked at."""

import math
from collections.abc import Mapping
from typing import Any


def log_every(config: Mapping[str, Any]) -> int:
    """Epochs between points: as asked for, or the 1, 2 or 5 · 10ⁿ nearest a hundredth."""
    if config["log_every"] is not None:
        return config["log_every"]
    wanted = max(config["trainer"]["max_epochs"] / 100, 1.0)
    exponent = math.floor(math.log10(wanted))
    nice = [m * 10**e for e in (exponent, exponent + 1) for m in (1, 2, 5)]
    return min(nice, key=lambda k: abs(math.log(k / wanted)))
