"""Which runs of a sweep succeeded, and after how many epochs.

A run succeeds where its rule holds at its end: of the parameters that are kept. The epochs to
success are those of the first logged point at which it held; a run that did not succeed never did.
"""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from small_nets.config.success_rule import BELOW, Rule, read_rule
from small_nets.nn.early_stopping import losses_in
from small_nets.sweep.results.standard import ENDED
from small_nets.sweep.store.store import Store

SUCCEEDED = " succeeded"  # columns that are added to a runs table; no key's names
EPOCHS = " epochs to success"
CONSTANT = "constant"  # the constant predictor's loss on the split that judges a run


def rules_of(store: Store, table: pl.DataFrame) -> dict[Any, Rule | None]:
    """Experiment -> its rule, None for the constant predictor; with one experiment its key is None.

    The rule is that of the last command, or what the configs of the runs say.
    """
    typed = store.about.get("success")
    if typed:
        return {None: read_rule(typed)}
    known = table.filter(pl.col("status") != "failed")
    if "experiment" not in store.swept:
        some = store.configs(known["run_id"][:1].to_list()).values()
        return {None: next((read_rule(config.get("success")) for config, _ in some), None)}
    firsts = known.unique("experiment", keep="first").select("run_id", "experiment")
    configs = store.configs(firsts["run_id"].to_list())
    return {name: read_rule(configs[i][0].get("success"))
            for i, name in firsts.iter_rows() if i in configs}  # fmt: skip


def with_success(
    store: Store, table: pl.DataFrame, rules: Mapping[Any, Rule | None]
) -> pl.DataFrame:
    """Add SUCCEEDED and EPOCHS to a runs table.

    SUCCEEDED is null for a run without an end or without the rule's metric, EPOCHS is infinite for
    one that did not succeed, and null where its curve does not have the metric.
    """
    if None in rules:
        return _with_rule(store, table, rules[None])
    parts = [
        _with_rule(store, some, rules.get(name[0]))
        for name, some in table.group_by("experiment", maintain_order=True)
    ]
    return pl.concat(parts, how="diagonal_relaxed").sort("job") if parts else table


def _with_rule(store: Store, table: pl.DataFrame, rule: Rule | None) -> pl.DataFrame:
    rule = None if rule is None else rule.among(table.columns)
    metric = next(iter(losses_in(table.columns)), "") if rule is None else rule.metric
    bound = pl.col(CONSTANT) if rule is None else pl.lit(rule.bound)
    holds = (rule or BELOW).compare(pl.col(metric), bound)
    if metric not in table.columns or (rule is None and CONSTANT not in table.columns):
        return table.with_columns(
            pl.lit(None, pl.Boolean).alias(SUCCEEDED), pl.lit(None, pl.Float64).alias(EPOCHS)
        )
    is_lost = pl.col("status").is_in(["diverged", "failed"])
    ended = pl.when(is_lost).then(pl.lit(value=False)).otherwise(holds & pl.col(metric).is_finite())
    table = table.with_columns(pl.when(pl.col("status").is_in(ENDED)).then(ended).alias(SUCCEEDED))
    first = _first_steps(store, table, metric, holds)
    epochs = pl.col("first") * pl.col("epochs") / pl.col("steps")
    return table.join(first, on="run_id", how="left", maintain_order="left").with_columns(
        pl.when(pl.col(SUCCEEDED)).then(epochs)
        .when(~pl.col(SUCCEEDED) & pl.lit(len(first) > 0 or not table[SUCCEEDED].any()))
        .then(math.inf).alias(EPOCHS)
    ).drop("first")  # fmt: skip


def _first_steps(store: Store, table: pl.DataFrame, metric: str, holds: pl.Expr) -> pl.DataFrame:
    """run_id and `first`, the first logged step at which a run's rule held, of those that did."""
    wanted = table.filter(SUCCEEDED)
    bounds = wanted.select("run_id", *([CONSTANT] if CONSTANT in table.columns else []))
    found = [pl.DataFrame(schema={"run_id": pl.String, "first": pl.Int64})]
    for curves in store.curves_by_part(wanted["run_id"].to_list(), ["step", metric]):
        if metric in curves.columns:
            held = curves.join(bounds, on="run_id").filter(holds)
            found.append(held.group_by("run_id").agg(pl.col("step").min().alias("first")))
    return pl.concat(found)
