"""What the tests of a sweep share."""

from collections.abc import Callable

import polars as pl

from small_nets.sweep.store.store import Store
from tests.conftest import Swept

MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=40")


Sweep = Callable[..., Swept]


def numbers(table: pl.DataFrame) -> pl.DataFrame:
    """What must be equal to the bit between two sweeps of the same runs."""
    return table.drop("seconds")


def curves(store: Store) -> pl.DataFrame:
    return store.curves().sort("run_id", "step")
