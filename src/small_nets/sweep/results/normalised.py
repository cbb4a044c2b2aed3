"""Which losses of a sweep are of normalised targets: a reader must not take them for raw units."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl

from small_nets.sweep.jobs.grid import IN_A_SETTING
from small_nets.sweep.store.columns import value_of
from small_nets.sweep.store.store import Store

KEY = "data.normalize_target"
PLAIN = ("none", None)
MOST = 1_000  # configs that are looked at


def _decides(key: str) -> bool:
    """Whether a swept key may decide how targets are normalised."""
    return key in ("data", "experiment", "loss") or (
        key.startswith("data.") and key not in IN_A_SETTING
    )


def normalised_losses(
    store: Store, table: pl.DataFrame, metrics: Sequence[str]
) -> dict[str, Literal["all", "some"]]:
    """Loss -> whether those of all runs, or of some, are of normalised targets.

    A loss whose runs have raw targets is left out, as is every metric that is no loss.
    """
    losses = [metric for metric in metrics if metric.endswith("/loss")]
    if not losses:
        return {}
    keys = [key for key in store.swept if _decides(key)]
    ended = table.filter(pl.col("status") != "failed")
    # A run for each value of the deciding keys says it for all.
    first = ended.unique(keys, maintain_order=True) if keys else ended.head(1)
    configs = store.configs(first["run_id"].head(MOST).to_list()).values()
    found = {value_of(KEY, config, choices) not in PLAIN for config, choices in configs}
    if True not in found:
        return {}
    return dict.fromkeys(losses, "some" if False in found else "all")


def unit_of(settings: Mapping[str, Any], metric: str | None) -> str:
    """What is said behind a metric of a run: " (normalised)" behind such a loss, else ""."""
    is_loss = metric is not None and metric.endswith("loss")
    return _said("all") if is_loss and settings["data"]["normalize_target"] not in PLAIN else ""


def unit(store: Store, table: pl.DataFrame, metric: str | None) -> str:
    """The same for a sweep: " (normalised)" of all its runs, or of some of them, else ""."""
    return "" if metric is None else units(store, table, [metric])[metric]


def units(store: Store, table: pl.DataFrame, metrics: Sequence[str]) -> dict[str, str]:
    """The same for several metrics, with one look at the configs."""
    found = normalised_losses(store, table, metrics)
    return {metric: _said(found.get(metric)) for metric in metrics}


def _said(which: Literal["all", "some"] | None) -> str:
    return {"all": " (normalised)", "some": " (normalised in some runs)", None: ""}[which]
