"""Where the runs of each setting end, as the page shows it: how many at which loss."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from small_nets.stats.endings import Ending, endings_of
from small_nets.sweep.results.standard import Standard

MOST = 6  # endings that one picture tells apart by their colours
SETTINGS = 16  # of the highest rank
FEWEST = 20  # runs of a setting, with fewer nothing is said
PART = 0.05  # of a setting's runs: so many at each of two endings, somewhere


def endings(table: pl.DataFrame, standard: Standard) -> dict[str, Any] | None:
    """The endings of all runs together, and how many runs of each setting are at each.

    None where the runs part into fewer than two endings, or more than a picture tells apart; where
    no setting parts, for settings that each end at a loss of their own say nothing of seeds; and
    for few runs. table: the runs, with `setting`, the place of each one's setting in the ranking.
    A setting's counts have one more number for runs elsewhere, and one for lost runs.
    """
    rows = table.with_columns(standard.value().alias(" end")).drop_nulls([" end", "setting"])
    values = rows[" end"].to_numpy()
    if standard.is_metric_high or not len(values):
        return None
    found = endings_of(values)
    if not 2 <= len(found) <= MOST:
        return None
    setting = rows["setting"].to_numpy()
    shown = sorted(set(setting.tolist()))[:SETTINGS]
    counts = [_counts(values[setting == place], found) for place in shown]
    if not any(_parts(some) for some in counts):
        return None
    return {
        "metric": standard.metric,
        "endings": [[e.middle, e.low, e.high, e.count] for e in found],
        "settings": shown,
        "counts": counts,
    }


def _parts(counts: Sequence[int]) -> bool:
    """Whether the runs of a setting are many, and end in two places or more."""
    runs = sum(counts)
    return runs >= FEWEST and sum(n >= PART * runs for n in counts[:-2]) >= 2


def _counts(values: np.ndarray, found: Sequence[Ending]) -> list[int]:
    at = [int(((values >= e.low) & (values <= e.high)).sum()) for e in found]
    lost = int((~np.isfinite(values)).sum())
    return [*at, len(values) - sum(at) - lost, lost]
