"""A race trains more seeds of what cannot be told from the best, with the error that was asked."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.commands import report
from small_nets.config.errors import InputError
from small_nets.stats.comparison import told_from_best
from small_nets.sweep.results.race import Race, read_race, standing_of
from small_nets.sweep.results.ranking import rank, standing
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.told_apart import beside_best
from tests.conftest import Swept

Sweep = Callable[..., Swept]
LOSS = Standard("val/loss")
MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "model.width=3,8")
RATES = "optimizer.lr=0.0001,0.001"


@given(first=st.integers(5, 40), more=st.integers(1, 3000), until=st.floats(0.001, 0.9))
def test_the_looks_share_the_error(first: int, more: int, until: float) -> None:
    race = Race(until, first + more, first)
    looks = race.looks
    assert looks[0] == first
    assert looks[-1] == first + more
    assert all(a < b <= 2 * a for a, b in pairwise(looks))
    assert race.level * len(looks) == pytest.approx(until)


def scores(values: np.ndarray) -> list[dict[tuple[int], float]]:
    """values: (seeds, settings)."""
    return [{(s,): float(v) for s, v in enumerate(column)} for column in values.T]


def test_it_is_the_comparison_look_by_look() -> None:
    drawn = np.random.default_rng(0)
    values = np.exp(drawn.normal([0, 0.1, 0.6, 2], 1, (40, 4)))
    race = Race(0.1, 40, 10)
    found = standing_of(scores(values), LOSS.order_of_scores, race)
    left: list[int] = [0, 1, 2, 3]
    told: list[int | None] = [None] * 4
    for look in (10, 20, 40):
        some = values[:look, left]
        best = int(np.median(some, axis=0).argmin())
        for i, is_told in zip(left, told_from_best(some, best, 0.1 / 3), strict=True):
            told[i] = look if is_told else None
        left = [i for i in left if told[i] is None]
    assert found.told == tuple(told)
    assert found.told[3] == 10
    assert found.seeds == 40
    # What is told apart needs no more seeds, and their absence changes nothing.
    fewer = scores(values)
    fewer[3] = {s: v for s, v in fewer[3].items() if s[0] < 10}
    assert standing_of(fewer, LOSS.order_of_scores, race) == found
    # Before a setting that is left has its seeds, the look is not taken.
    fewer[0] = {s: v for s, v in fewer[0].items() if s[0] < 20}
    assert standing_of(fewer, LOSS.order_of_scores, race).seeds == 20


def test_equal_settings_are_rarely_told_apart() -> None:
    """In 200 null races with an error of 0.2 at most about 40 end: looks are no further tries."""
    drawn = np.random.default_rng(1)
    race, told = Race(0.2, 40, 5), 0
    for _ in range(200):
        shared = drawn.normal(0, 1, (40, 1))  # a seed is hard or easy for all
        found = standing_of(scores(np.exp(shared + drawn.normal(0, 1, (40, 5)))),
                            LOSS.order_of_scores, race)  # fmt: skip
        told += any(at is not None for at in found.told)
    assert told <= 55  # 40 and 2.65 standard deviations


def test_what_is_told_gets_no_more_seeds(sweep: Sweep) -> None:
    words = (*MLP, RATES, "seed=range(8)", "sweep.race={most: 32}")
    done = sweep(*words)
    table = done.table
    counts = table.group_by("model.width", "optimizer.lr").len().sort("len")["len"].to_list()
    assert set(counts) <= {8, 16, 32}
    assert counts[0] < counts[-1]
    race = read_race(done.store.about["race"])
    assert race == Race(0.05, 32, 8)
    standard = Standard("val/loss", race=race)
    ranked = rank(table, list(done.store.swept), standard)
    found = standing(ranked, standard)
    assert found is not None
    for r, told in zip(ranked, found.told, strict=True):
        assert r.n == (told or found.seeds)
    # What was told goes behind, whatever luck it had with its few seeds.
    places = [told is not None for told in found.told]
    assert places == sorted(places)
    assert [b.is_told for b in beside_best(ranked, standard)] == places
    assert "of such races tell any apart" in done.text
    assert done.text.count("Race, look at") == (2 if found.seeds < 32 else 3)
    # The same command goes on from there: nothing is left to train, and it says the same.
    again = sweep(*words)
    assert again.table.equals(table)
    assert [s for s in again.text.splitlines() if s.startswith("Race, look")] == [
        s for s in done.text.splitlines() if s.startswith("Race, look")
    ]
    report.main([str(done.store.directory)])
    page = (done.store.directory / "report.html").read_text()
    assert "of such races tell any apart" in page


def test_of_folds(sweep: Sweep) -> None:
    done = sweep(*MLP, "optimizer.lr=0.001", "data.folds=3", "data.split_seed=range(5)",
                 "sweep.race={until: 0.000001, most: 10}")  # fmt: skip
    table = done.table
    assert len(table) == 2 * 10 * 3
    assert sorted(set(table["data.split_seed"])) == [*range(10)]
    assert table.group_by("data.split_seed", "data.fold").len()["len"].to_list() == [2] * 30


@pytest.mark.every(3)
@pytest.mark.parametrize(("words", "said"), [
    (("seed=range(3)", "sweep.race={most: 32}"), "3 are too few to tell settings apart"),
    (("sweep.race={most: 32}",), "1 is too few"),
    (("seed=range(40)", "sweep.race={most: 32}"), "adds no seed to the 40"),
    (("seed=range(4294967280,4294967290)", "sweep.race={most: 32}"), "a seed is at most"),
    (("seed=range(8)", "sweep.race={most: 32}", "sweep.halving={first: 10}"), "one of them"),
    (("seed=range(8)", "sweep.race={until: 2}"), "is not allowed"),
    (("seed=range(8)", "sweep.race={unti: 0.1}"), "is not allowed"),
    (("seed=range(8)", "data.split_seed=range(3)", "sweep.race={most: 32}"), "seeds of one key"),
    (("seed=range(8)", "sweep.race={most: 900000}"), "sweep.max_runs="),
    (("seed=range(8)", "sweep.race={most: 32}", "hydra.sweeper.max_batch_size=4"), "in batches"),
    (("hydra/sweeper=search", "sweep.race={most: 32}"), "this is a search"),
])  # fmt: skip
def test_what_is_refused(sweep: Sweep, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", "\\(")):
        sweep(*MLP, *words, to="it")


@pytest.mark.parametrize("stored", [
    None, 3, {}, {"until": 0.05, "most": 32}, {"until": 2.0, "most": 32, "first": 8},
    {"until": 0.05, "most": 8, "first": 32}, {"until": "x", "most": 32, "first": 8},
    {"until": 0.05, "most": 10**9, "first": 8}, {"until": 0.05, "most": 32.0, "first": 8},
])  # fmt: skip
def test_what_is_found_is_checked(stored: object) -> None:
    assert read_race(json.loads(json.dumps(stored))) is None


def test_of_another_question_it_is_no_verdict(sweep: Sweep) -> None:
    done = sweep(*MLP, RATES, "seed=range(8)", "sweep.race={most: 16}")
    report.main([str(done.store.directory), "--metric", "train/loss"])
    said = (done.store.directory / "report.html").read_text()
    assert "of such reports tell any apart" in said
    table = done.table.filter(pl.col("seed") < 8)
    assert len(table) == 32
