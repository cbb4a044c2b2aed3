"""Settings are ranked over all their seeds, and told from the best only beyond chance."""

import math

import numpy as np
import polars as pl
import pytest

from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import EPOCHS, SUCCEEDED
from small_nets.sweep.results.told_apart import beside_best
from small_nets.sweep.results.words import said_of_best

TABLE = pl.DataFrame(
    {
        "run_id": list("abcdefg"),
        "job": range(7),
        "status": ["completed"] * 5 + ["diverged", "failed"],
        "seed": [0, 1, 0, 1, 2, 2, 3],
        "optimizer": ["sgd", "sgd", "adam", "adam", "adam", "sgd", "sgd"],
        "val/loss": [1.0, 3.0, 0.5, 2.5, 0.0, math.inf, None],
    }
)
LOSS = Standard("val/loss")
BY_SEED = ["optimizer", "seed"]


def test_all_runs_count() -> None:
    adam, sgd = rank(TABLE, BY_SEED, Standard("val/loss"))
    assert (adam.setting, adam.n, adam.worth, adam.mean) == ({"optimizer": "adam"}, 3, 0.5, 1.0)
    assert (sgd.n, sgd.worth, sgd.mean, sgd.diverged, sgd.failed) == (4, math.inf, None, 1, 1)
    assert (adam.best_job, sgd.best_job) == (4, 0)


def test_more_accuracy_is_better() -> None:
    table = TABLE.rename({"val/loss": "val/accuracy"}).filter(pl.col("status") == "completed")
    sgd, adam = rank(table, BY_SEED, Standard("val/accuracy"))
    assert (sgd.setting, sgd.best_job, adam.best_job) == ({"optimizer": "sgd"}, 1, 3)


def with_share(succeeded: list[bool | None], epochs: list[float | None]) -> pl.DataFrame:
    kinds = {SUCCEEDED: pl.Boolean, EPOCHS: pl.Float64}
    return TABLE.with_columns(
        pl.Series(name, values, dtype=kinds[name])
        for name, values in ((SUCCEEDED, succeeded), (EPOCHS, epochs))
    )


def test_by_success() -> None:
    never = math.inf
    table = with_share([True, True, True, False, False, True, False],
                       [10.0, 20.0, 5.0, never, never, 30.0, never])  # fmt: skip
    sgd, adam = rank(table, BY_SEED, Standard("val/loss", "success"))
    assert (sgd.setting["optimizer"], sgd.succeeded, sgd.worth, sgd.epochs) == ("sgd", 3, 0.75, 25)
    assert (adam.succeeded, adam.epochs) == (1, never)
    unknown = with_share([None] * 7, [None] * 7)
    assert {r.succeeded for r in rank(unknown, BY_SEED, Standard("val/loss"))} == {None}


def table_of(worse: float, seeds: int, settings: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(0)
    rows = [
        {"run_id": f"{k}{s}", "status": "completed", "seed": s, "k": k,
         "val/loss": math.exp(0.2 * random.normal()) * (worse if k == settings - 1 else 1.0)}
        for k in range(settings) for s in range(seeds)
    ]  # fmt: skip
    return pl.DataFrame(rows).with_row_index("job")


@pytest.mark.parametrize(
    ("worse", "seeds", "told", "said"),
    [
        (10.0, 20, [False, False, True], "cannot be told from 1 of the 2 others"),
        (1.0, 20, [False, False, False], "cannot be told from any of the 2 others"),
        (10.0, 4, [None, None, None], "No verdict: the best and the others share 4 seeds"),
    ],
)
def test_told_apart(worse: float, seeds: int, told: list[bool | None], said: str) -> None:
    ranked = rank(table_of(worse, seeds), ["k", "seed"], Standard("val/loss"))
    assert [b.is_told for b in beside_best(ranked, LOSS)] == told
    assert said in next(iter(said_of_best(ranked, LOSS)))


def test_seeds_of_a_race() -> None:
    """One setting has the first seeds only: the others are compared again under all of theirs."""
    table = table_of(10.0, 40).filter((pl.col("k") != 2) | (pl.col("seed") < 8))
    table = table.with_columns(
        pl.when(pl.col("k") == 1).then(pl.col("val/loss") * 1.05).otherwise("val/loss")
        .alias("val/loss")
    )  # fmt: skip
    ranked = rank(table, ["k", "seed"], Standard("val/loss"))
    found = {r.setting["k"]: b for r, b in zip(ranked, beside_best(ranked, LOSS), strict=True)}
    assert [found[k].is_told for k in (0, 1, 2)] == [False, True, True]
    assert [found[k].seeds for k in (0, 1, 2)] == [40, 40, 8]
    few = rank(table.filter(pl.col("seed") < 8), ["k", "seed"], Standard("val/loss"))
    assert [b.is_told for b in beside_best(few, LOSS)] == [False, False, True]


def test_one_run_each_and_no_run() -> None:
    table = TABLE.filter(pl.col("seed") == 0).drop("seed")
    ranked = rank(table, ["optimizer"], Standard("val/loss"))
    assert [b.is_told for b in beside_best(ranked, LOSS)] == [None, None]
    assert beside_best([], LOSS) == []
    lost = rank(TABLE.filter(pl.col("status") == "failed"), BY_SEED, Standard("val/loss"))
    assert [b.is_told for b in beside_best(lost, LOSS)] == [None]
