"""Says what the spread over seeds is made of: a seed moves more than the initial weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from small_nets.config.conf_files import at
from small_nets.config.errors import InputError
from small_nets.data.prepared import Prepared
from small_nets.sweep.jobs.grid import FOLD, SEEDS
from small_nets.sweep.results.importance import said_of_importance
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.seed_parts import drawn_by_seed, said_of_parts
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.tested import said_of_test
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import data_of

FEW_ROWS = 20  # of a validation split; of fewer the split itself may decide
LOOKED_AT = 20  # runs


def said_of_runs(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard
) -> Iterator[str]:
    """What the runs of a setting differ in, what folds mean, which keys matter, and the test.

    table: the runs. ranked: their settings, best first.
    """
    trained = table.filter(pl.col("status").is_in(["completed", "diverged"]))
    # At random: the first ones may have one seed, where the other kind varies faster.
    ids = trained.sample(min(LOOKED_AT, len(trained)), seed=0)["run_id"].to_list()
    if not ids:
        return
    try:
        config, data = data_of(store, ids[0])
    except InputError:
        return  # a table that is gone is said where it is needed
    yield from _of_spread(store, data, config, [c for c, _ in store.configs(ids).values()])
    yield from said_of_parts(ranked, standard, config)
    yield from _of_folds(store, data, config)
    if "study" not in store.about:  # Optuna says it of a search
        yield from said_of_importance(ranked, standard)
    if ranked and ranked[0].n:
        yield from said_of_test(store, table, ranked[0], standard)


def _of_spread(
    store: Store, data: Prepared, config: Mapping[str, Any], several: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What differs between the runs of a setting, and whether the split may be most of it."""
    swept = [key for key in SEEDS if key in store.swept]
    splits = {at(one, ("data", "split_seed")) for one in several}
    rows = 0 if data.val is None else len(data.val)
    has_folds = FOLD in store.swept
    moves_split = rows > 0 and len(splits) > 1
    parts = []
    if len({one.get("seed") for one in several}) > 1:
        parts = drawn_by_seed(config)
    parts += ["the cut into folds" if has_folds else "the split"] if moves_split else []
    if not swept or not parts:
        return
    listed = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    text = f"The spread over {' and '.join(swept)} is that of {listed}"
    if rows and not moves_split:
        text += f"; the split is held (data.split_seed={min(splits)})"
    if moves_split and rows < FEW_ROWS and len(parts) > 1 and not has_folds:
        text += (f". With {rows} validation row{'s' * (rows > 1)} most of it may be the split, "
                 "which data.split_seed=0 holds")  # fmt: skip
    yield f"{text}."


def _of_folds(store: Store, data: Prepared, config: Mapping[str, Any]) -> Iterator[str]:
    if FOLD in store.swept:
        rows = len(data.train) + (0 if data.val is None else len(data.val))
        yield (
            f"The number of a seed is the mean over its {config['data']['folds']} folds, and it "
            "succeeds if each of them does. The folds of a seed share their rows, so intervals are "
            f"over seeds; they are of these {rows} rows, and say nothing of others."
        )
