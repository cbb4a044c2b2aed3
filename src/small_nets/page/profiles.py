"""The performance profiles of the best settings, and the bound of success that crosses them."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from small_nets.config.logging_interval import evenly
from small_nets.nn.early_stopping import losses_in
from small_nets.page.numbers import array, number
from small_nets.stats.profile import profile
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.standard import Standard, is_better_high
from small_nets.sweep.results.success import CONSTANT
from small_nets.sweep.store.store import Store

BEST = 8  # settings with a profile
POINTS = 250  # places of a profile


def profiles(
    store: Store, runs: pl.DataFrame, rankings: Mapping[str, Sequence[Ranked]], standard: Standard
) -> dict[str, Any]:
    """Of each metric: the profiles of its best settings, and the bound of success or None.

    A profile is the setting's number, how many runs there are, the places and the shares. runs:
    job, and setting, the number of a run's setting on the page. rankings: metric -> settings.
    """
    of_job = dict(runs.select("job", "setting").iter_rows())
    found: dict[str, Any] = {}
    for metric, ranked in rankings.items():
        known = [(of_job.get(r.jobs[0]), r) for r in ranked if r.n > 1 and not r.stopped]
        lines = [[place, r.n, *_line(r, metric)] for place, r in known if place is not None]
        found[metric] = {"lines": lines[:BEST], "bound": _bound(store, runs, standard, metric)}
    return found


def _line(r: Ranked, metric: str) -> tuple[list[Any], list[Any]]:
    places, shares = profile(r.values, is_better_high(metric))
    kept = evenly(len(places), POINTS)
    return array(places[kept]), array(shares[kept])


def _bound(store: Store, runs: pl.DataFrame, standard: Standard, metric: str) -> list[Any] | None:
    """Where success begins on the axis of a metric, and its rule; None where no one place is it."""
    if standard.rule is not None:
        rule = standard.rule.among(runs.columns)
        return [number(rule.bound), str(rule)] if rule.metric == metric else None
    is_judged = metric == next(iter(losses_in(runs.columns)), None)
    if not is_judged or "experiment" in store.swept or CONSTANT not in runs.columns:
        return None
    constants = runs[CONSTANT].drop_nulls().unique().to_list()
    return [number(constants[0]), standard.rule_text] if len(constants) == 1 else None
