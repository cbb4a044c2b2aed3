"""Refuses a halving that could stop nothing, or would compare parts of a sweep."""

import math
from collections.abc import Mapping
from typing import Any

from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.sweep.halving.rungs import Halving


def check_halving(halving: Mapping[str, Any] | None, max_epochs: int) -> None:
    """Raises InputError where every run ends before the first rung.

    halving: a checked value of `sweep.halving`.
    """
    if halving is None or Halving(**halving).first < max_epochs:
        return
    found = Halving(**halving)
    sooner = {"factor": found.factor, "first": max(math.ceil(max_epochs / 10), 1)}
    instead = "null" if max_epochs < 2 else f"'{show(sooner)}'"
    raise InputError(
        f"sweep.halving={show(dict(halving))} stops runs for the first time after {found.first} "
        f"epochs, but trainer.max_epochs={max_epochs}: all have ended by then.\n"
        f"Allowed: first below trainer.max_epochs\nFix: sweep.halving={instead}"
    )


def check_batches(halving: Mapping[str, Any] | None, max_batch_size: int | None) -> None:
    """Raises InputError where Hydra would cut a halved sweep into batches.

    Each batch would be halved by itself.
    """
    if halving is not None and max_batch_size is not None:
        raise InputError(
            "sweep.halving compares all settings of a sweep, and hydra.sweeper.max_batch_size="
            f"{max_batch_size} would cut it into batches.\nFix: without hydra.sweeper."
            "max_batch_size (a sweep is cut into parts by itself)"
        )
