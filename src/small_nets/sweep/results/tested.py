"""Says what the chosen setting is worth on the test split, by which nothing was chosen."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from small_nets.config.test_metrics import is_of_test
from small_nets.sweep.results.ranking import Ranked, of_setting, rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.words import interval_text, worth_text
from small_nets.sweep.store.columns import metric_columns
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import data_of


def said_of_test(
    store: Store, table: pl.DataFrame, chosen: Ranked, standard: Standard
) -> Iterator[str]:
    """The chosen setting's metrics on the test split; nothing where there is none.

    Only of this setting: who sees those of all chooses by them. table: the runs. Each number is
    summarised as the settings were, with its interval over seeds. Raises InputError where the
    data of a run are gone.
    """
    trained = pl.col("status").is_in(["completed", "diverged"])
    mine = table.filter(of_setting(chosen))
    names = [m for m in metric_columns(table.columns, store.swept)
             if is_of_test(m) and len(mine) and mine[m].is_not_null().any()]  # fmt: skip
    if not names or chosen.stopped:
        return
    by = "median" if standard.by in ("success", "bound") else standard.by
    parts = []
    for name in names:
        (found,) = rank(mine.drop(" succeeded", strict=False), [],
                        replace(standard, metric=name, by=by, race=None))  # fmt: skip
        ends = interval_text(found.interval)
        parts.append(f"{name} {worth_text(found.worth, '.4g')}" + (f" ({ends})" if ends else ""))
    how = f"{standard.quantile:.0%} quantile" if by not in ("median", "mean") else by
    seeds = f"{how} over {chosen.n} seeds" if chosen.n > 1 else "one seed"
    _, data = data_of(store, mine.filter(trained)["run_id"][0])
    rows = 0 if data.test is None else len(data.test)
    yield (f"On the test split, {rows} row{'s' * (rows != 1)} by which nothing was chosen, the "
           f"best setting has {', '.join(parts)} ({seeds}).")  # fmt: skip
