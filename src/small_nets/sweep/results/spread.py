"""Says what the spread over seeds is made of: a seed moves more than the initial weights."""

from collections.abc import Iterator

import polars as pl

from small_nets.config.conf_files import at
from small_nets.config.errors import InputError
from small_nets.run.build.build import build_start, is_drawn
from small_nets.sweep.jobs.grid import SEEDS
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import checked_of

FEW_ROWS = 20  # of a validation split; of fewer the split itself may decide
LOOKED_AT = 20  # runs


def said_of_spread(store: Store, table: pl.DataFrame) -> Iterator[str]:
    """What differs between the runs of a setting, and whether the split may be most of it.

    Nothing where the sweep has one seed. table: its runs.
    """
    swept = [key for key in SEEDS if key in store.swept]
    trained = table.filter(pl.col("status").is_in(["completed", "diverged"]))
    ids = trained["run_id"].head(LOOKED_AT).to_list()
    if not swept or not ids:
        return
    configs = store.configs(ids)
    several = [config for config, _ in configs.values()]
    splits = {at(config, ("data", "split_seed")) for config in several}
    try:
        config = checked_of(store, configs, ids[0])
        data, _ = build_start(config)
    except InputError:
        return  # a table that is gone is said where it is needed
    rows = 0 if data.val is None else len(data.val)
    moves_split = rows > 0 and len(splits) > 1
    parts = []
    if len({one.get("seed") for one in several}) > 1:
        parts = [*(["the data"] if is_drawn(config) else []), "the initial weights"]
        parts += ["the order of batches"] if config["data"]["batch_size"] is not None else []
    parts += ["the split"] if moves_split else []
    if not parts:
        return
    listed = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    text = f"The spread over {' and '.join(swept)} is that of {listed}"
    if rows and not moves_split:
        text += f"; the split is held (data.split_seed={min(splits)})"
    if moves_split and rows < FEW_ROWS and len(parts) > 1:
        text += (f". With {rows} validation row{'s' * (rows > 1)} most of it may be the split, "
                 "which data.split_seed=0 holds")  # fmt: skip
    yield f"{text}."
