"""Cross-validation: what a setting is worth under one seed is the mean over the seed's folds.

The folds of one seed share most of their training rows and part one table among them, so they are
no independent runs. Seeds are: each cuts the table anew, and draws other weights. So a ranking has
one value a seed, and its intervals are over seeds.
"""

from collections.abc import Sequence

import polars as pl

from small_nets.sweep.jobs.grid import FOLD, SEEDS
from small_nets.sweep.results.success import EPOCHS, SUCCEEDED

VALUE = " value"  # a run's outcome; no key's name
RUN = " run"  # the same, of the run alone


def has_folds(table: pl.DataFrame) -> bool:
    """Whether a runs table is of a sweep over folds."""
    return FOLD in table.columns


def seeds_of(table: pl.DataFrame) -> list[object]:
    """What is one seed's in a runs table: its number for each row, or each row by itself."""
    if not has_folds(table):
        return list(range(len(table)))
    seeds = [key for key in SEEDS if key in table.columns]
    return list(table.select(seeds).iter_rows()) if seeds else [()] * len(table)


def over_folds(table: pl.DataFrame, keys: Sequence[str], seeds: Sequence[str]) -> pl.DataFrame:
    """Reduce VALUE, SUCCEEDED and EPOCHS to one value a seed, on the row of its first fold.

    VALUE is the mean over the folds, which is lost where a fold's is; a seed succeeds if all of its
    folds do, after the epochs of the last. On other rows, and for a seed of which a fold has no end
    yet, they are null. RUN keeps each run's own VALUE. keys: what makes a setting.
    """
    table = table.with_columns(pl.col(VALUE).alias(RUN))
    if not has_folds(table):
        return table
    unit = [*keys, *seeds]
    known = pl.col(VALUE).is_not_null()
    count = known.sum().over(unit)
    whole = known.all().over(unit)
    whole &= count == (count.max().over(list(keys)) if keys else count.max())
    first = pl.int_range(pl.len()).over(unit) == 0
    stays = whole & first
    return table.with_columns(
        pl.when(stays).then(pl.col(VALUE).mean().over(unit)).alias(VALUE),
        pl.when(stays).then(pl.col(SUCCEEDED).all(ignore_nulls=False).over(unit)).alias(SUCCEEDED),
        pl.when(stays).then(pl.col(EPOCHS).max().over(unit)).alias(EPOCHS),
    )
