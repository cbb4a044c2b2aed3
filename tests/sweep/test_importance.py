"""Which keys matter, and what the spread over crossed seeds is made of, by known sweeps."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from small_nets.sweep.results.importance import (
    Importance,
    Refused,
    importance_of,
    said_of_importance,
)
from small_nets.sweep.results.ranking import Ranked, rank
from small_nets.sweep.results.seed_parts import said_of_parts, seed_parts
from small_nets.sweep.results.standard import Standard
from tests.conftest import Swept

LOSS = Standard("val/loss")
KEYS = ["optimizer", "optimizer.lr"]
RATES = [0.001, 0.01, 0.1]
CONFIG = {"data": {"batch_size": 4, "source": {"_target_": "rows"}}}


def grid(
    value: Callable[..., float], seeds: int = 8, lacks: Sequence[Any] = (), noise: float = 0.05
) -> pl.DataFrame:
    """The runs of two optimizers at three rates: value(optimizer, lr), infinite if lost."""
    random = np.random.default_rng(2)
    rows = []
    for o, lr, seed in itertools.product(["sgd", "adam"], RATES, range(seeds)):
        loss = value(o, lr) * math.exp(noise * random.normal())
        if (o, lr) not in lacks:
            status = "completed" if math.isfinite(loss) else "diverged"
            rows.append((len(rows), status, o, lr, seed, loss if math.isfinite(loss) else None))
    names = ["job", "status", *KEYS, "seed", "val/loss"]
    return pl.DataFrame(rows, schema=names, orient="row")


def ranked(
    table: pl.DataFrame, standard: Standard = LOSS, keys: Sequence[str] = KEYS
) -> list[Ranked]:
    return rank(table, [*keys, "seed"], standard)


def found(table: pl.DataFrame, standard: Standard = LOSS) -> Importance:
    one = importance_of(ranked(table, standard), standard)
    assert isinstance(one, Importance)
    return one


def shares(one: Importance) -> dict[str, float]:
    return {name: e.share for name, e in zip(one.names, one.effects, strict=True)}


def product(optimizer: str, lr: float) -> float:
    return (1.0 if optimizer == "sgd" else 10.0) * (lr / 0.001)  # adds up in the logarithm


@pytest.mark.parametrize("by", ["median", "mean", "quantile:0.9"])
def test_factors_that_multiply_do_not_interact(by: str) -> None:
    one = found(grid(product), Standard("val/loss", by))
    # In decades: -+1/2, a variance of 1/4, and -1, 0 and 1, of 2/3.
    assert shares(one)["optimizer.lr"] == pytest.approx(8 / 11, abs=0.02)
    assert shares(one)["optimizer"] == pytest.approx(3 / 11, abs=0.02)
    assert shares(one)["optimizer \u00d7 optimizer.lr"] < 0.01
    told = dict(zip(one.names, [e.is_told for e in one.effects], strict=True))
    assert told == {"optimizer.lr": True, "optimizer": True, "optimizer \u00d7 optimizer.lr": False}
    assert (one.seeds, one.cells, one.scale) == (8, 6, "the logarithm of ")
    assert one.chance is not None
    assert 0 <= one.chance < 0.01


def test_it_is_said_in_one_sentence() -> None:
    (said,) = said_of_importance(ranked(grid(product)), LOSS)
    assert said == (
        "What matters to the logarithm of the median val/loss (shares of its variance over 6 "
        "settings): optimizer.lr 73%, optimizer 27%."
    )


def test_a_setting_that_is_lost_comes_last() -> None:
    def value(o: str, lr: float) -> float:
        return math.inf if (o, lr) == ("sgd", 0.1) else product(o, lr)

    one = found(grid(value, noise=0))
    assert one.scale == "the rank by "
    cells = np.array([[1.0, 2.5, 6.0], [2.5, 4.0, 5.0]])  # the ranks by hand; 10 is there twice
    rates = cells.mean(axis=0).var() / cells.var()
    assert shares(one)["optimizer.lr"] == pytest.approx(rates)


def test_a_grid_that_is_not_full_says_what_is_left_out() -> None:
    table = grid(product, lacks=[("sgd", 0.1)])
    one = found(table)
    assert one.left_out == ("optimizer.lr=0.1",)
    assert one.cells == 4
    assert next(said_of_importance(ranked(table), LOSS)).endswith(
        "The grid is not full: without optimizer.lr=0.1."
    )


def test_a_value_that_cannot_be_trained_is_left_out() -> None:
    table = grid(product)
    failed = pl.when(pl.col("optimizer.lr") == 0.1).then(pl.lit("failed")).otherwise("status")
    one = found(table.with_columns(failed.alias("status")))
    assert (one.scale, one.left_out) == ("the logarithm of ", ("optimizer.lr=0.1",))


def test_keys_that_go_together_are_no_grid() -> None:
    table = grid(product, lacks=[("sgd", 0.001), ("sgd", 0.01), ("adam", 0.1)])
    assert isinstance(importance_of(ranked(table), LOSS), Refused)
    assert len([*said_of_importance(ranked(table), LOSS)]) == 1


def test_few_seeds_do_not_tell_chance() -> None:
    table = grid(product, seeds=2)
    one = found(table)
    assert one.chance is None
    assert {e.is_told for e in one.effects} == {None}
    assert sum(shares(one).values()) == pytest.approx(1)
    assert "fewer than five seeds" in next(said_of_importance(ranked(table), LOSS))


def test_nothing_but_chance() -> None:
    table = grid(lambda *_: 1.0)
    assert [*said_of_importance(ranked(table), LOSS)] == [
        "No key's effect on the logarithm of the median val/loss can be told from chance."
    ]


def test_one_key_is_not_compared_with_others() -> None:
    assert importance_of(ranked(grid(product), keys=["optimizer.lr"]), LOSS) is None


def crossed(split: float, seed: float, both: float, settings: int = 30) -> pl.DataFrame:
    """Runs under 6 seeds by 5 splits; the logarithm of the loss has these standard deviations."""
    random = np.random.default_rng(1)
    rows = []
    for lr in range(settings):
        a, b = seed * random.normal(size=6), split * random.normal(size=5)
        for i, j in itertools.product(range(6), range(5)):
            loss = math.exp(lr + a[i] + b[j] + both * random.normal())
            rows.append((len(rows), "completed", float(lr), i, j, loss))
    names = ["job", "status", "optimizer.lr", "seed", "data.split_seed", "val/loss"]
    return pl.DataFrame(rows, schema=names, orient="row")


def of_crossed(table: pl.DataFrame) -> list[Ranked]:
    return rank(table, ["optimizer.lr", "seed", "data.split_seed"], LOSS)


def test_the_parts_of_crossed_seeds_are_recovered() -> None:
    parts = seed_parts(of_crossed(crossed(2.0, 1.0, 0.5)), is_high=False)
    assert parts is not None
    assert (parts.split, parts.seed, parts.both) == pytest.approx(
        (16 / 21, 4 / 21, 1 / 21), abs=0.1
    )
    assert (parts.settings, parts.of, parts.seeds, parts.splits) == (30, 30, 6, 5)


def status(lost: pl.Expr) -> pl.Expr:
    return pl.when(lost).then(pl.lit("diverged")).otherwise("status").alias("status")


def test_lost_runs_leave_the_full_part() -> None:
    table = crossed(2.0, 1.0, 0.5, settings=2)
    lost = pl.col("optimizer.lr") == 0
    one_seed = table.with_columns(status(lost & (pl.col("seed") == 5)))
    parts = seed_parts(of_crossed(one_seed), is_high=False)
    assert parts is not None
    assert parts.settings == 2
    (said,) = said_of_parts(of_crossed(table.with_columns(status(lost))), LOSS, CONFIG)
    assert said.endswith("1 of 2 settings lack runs with a number, and are left out.")


def test_seeds_that_are_not_crossed_have_no_parts() -> None:
    assert seed_parts(ranked(grid(product)), is_high=False) is None
    table = crossed(1, 1, 1).filter(pl.col("seed") == pl.col("data.split_seed"))
    assert seed_parts(of_crossed(table), is_high=False) is None


def test_a_sweep_says_both(sweep: Callable[..., Swept]) -> None:
    done = sweep("+experiment=temperature_mlp", "trainer.max_epochs=3", "seed=range(3)",
                 "data.split_seed=range(3)", "optimizer=sgd,adam",
                 "optimizer.lr=0.001,0.01")  # fmt: skip
    assert (
        "The spread over seed and data.split_seed is that of the initial weights and the"
        in done.text
    )
    assert "Of the variance of the logarithm of val/loss within a setting," in done.text
    assert "% what seed draws (the initial weights) and" in done.text
    assert "(3 seeds by 3 splits, pooled over 4 settings; rough, for there are few)." in done.text
    assert "What matters to the logarithm of the median val/loss" in done.text
