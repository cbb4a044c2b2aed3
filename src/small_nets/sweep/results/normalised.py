"""Whether a sweep's losses are of normalised targets, which is said wherever one is shown."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from small_nets.sweep.store.store import Store

SAID = " (normalised)"


def unit_of(settings: Mapping[str, Any], metric: str | None) -> str:
    """What is said behind a metric of a run: " (normalised)" behind such a loss, else ""."""
    is_loss = metric is not None and metric.endswith("loss")
    return SAID if is_loss and settings["data"]["normalize_target"] not in (None, "none") else ""


def unit(store: Store, table: pl.DataFrame, metric: str | None) -> str:
    """The same for a sweep, by the first of its runs that was trained."""
    trained = table.filter(pl.col("status") != "failed")["run_id"][:1].to_list()
    configs = store.configs(trained).values() if trained else ()
    return next((unit_of(settings, metric) for settings, _ in configs), "")
