"""Shares of variance: by hand, by what must not change them, and by simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.stats.crossed import Components, components
from small_nets.stats.functional_anova import Importance, importance, parts

SHAPES = st.lists(st.integers(2, 4), min_size=1, max_size=4)


def shares(found: Importance | None) -> dict[tuple[int, ...], float]:
    assert found is not None
    return {effect.axes: effect.share for effect in found.effects}


def test_components_by_hand() -> None:
    # Row means 1 and 5 vary by 8, column means 2 and 4 by 2; what is left is ±1, a square of 4.
    found = components([np.array([[1.0, 1.0], [3.0, 7.0]])])
    assert found == Components(first=6.0, second=0.0, both=4.0)
    assert found.shares == pytest.approx((0.6, 0.0, 0.4))


def test_rows_that_add_to_columns_leave_nothing() -> None:
    found = components([np.add.outer([0.0, 2.0, 4.0], [1.0, 2.0])])
    assert (found.first, found.second) == pytest.approx((4.0, 0.5))
    assert found.both == pytest.approx(0, abs=1e-12)


def test_nothing_varies() -> None:
    assert components([np.ones((3, 3))]).shares is None


def test_components_are_recovered() -> None:
    """Of 4, 1 and 0.25, on the mean of 400 tables of 6 by 5."""
    random = np.random.default_rng(0)
    tables = [2 * random.normal(size=(6, 1)) + random.normal(size=(1, 5))
              + 0.5 * random.normal(size=(6, 5)) for _ in range(400)]  # fmt: skip
    found = components(tables)
    assert (found.first, found.second, found.both) == pytest.approx((4, 1, 0.25), rel=0.15)


def test_effects_by_hand() -> None:
    """2 by 2: the mean square of each contrast over that of all three."""
    found = shares(importance(np.array([[0.0, 1.0], [2.0, 7.0]])))
    contrasts = {(0,): 8.0, (1,): 6.0, (0, 1): 4.0}
    whole = sum(c**2 for c in contrasts.values())
    assert found == pytest.approx({axes: c**2 / whole for axes, c in contrasts.items()})


@given(SHAPES, st.integers(0, 1000))
def test_the_shares_add_up_to_one(shape: list[int], seed: int) -> None:
    found = importance(np.random.default_rng(seed).normal(size=shape))
    assert sum(shares(found).values()) == pytest.approx(1)


@given(SHAPES, st.integers(0, 1000))
def test_the_parts_add_up_to_the_function(shape: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=shape)
    whole = values.mean() + sum(part for _, part in parts(values, values.ndim))
    assert np.allclose(whole, values)


@given(st.integers(0, 1000))
def test_an_additive_function_has_no_interaction(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, two, three = (random.normal(size=n) for n in (3, 4, 2))
    found = shares(importance(one[:, None, None] + two[:, None] + three))
    for axes in [*itertools.combinations(range(3), 2), ()]:
        assert found[axes] == pytest.approx(0, abs=1e-12)
    variances = np.array([v.var() for v in (one, two, three)])
    assert [found[(i,)] for i in range(3)] == pytest.approx(variances / variances.sum())


@given(st.integers(0, 1000))
def test_names_and_units_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(3, 4, 2))
    moved = values[random.permutation(3)][:, random.permutation(4)].transpose(2, 0, 1)
    before, after = shares(importance(values)), shares(importance(7 - 3 * moved))
    place = {0: 1, 1: 2, 2: 0}
    for axes, share in before.items():
        assert after[tuple(sorted(place[a] for a in axes))] == pytest.approx(share)


def test_equal_values_have_no_importance() -> None:
    assert importance(np.full((3, 2), 0.1)) is None


def simulated(random: np.random.Generator, effect: float, seeds: int = 8) -> Importance:
    """Of a mean over seeds of noise, with an effect of the first factor of three levels."""
    values = random.normal(size=(3, 4, seeds)) + random.normal(size=seeds)
    values += effect * np.array([-1.0, 0.0, 1.0])[:, None, None]
    drawn = random.integers(seeds, size=(100, seeds))
    replicates = np.moveaxis(values[..., drawn].mean(axis=-1), -1, 0)
    found = importance(values.mean(axis=-1), replicates, seeds)
    assert found is not None
    return found


def test_chance_is_told_apart_and_taken_off() -> None:
    random = np.random.default_rng(0)
    of_none = [simulated(random, 0.0) for _ in range(200)]
    told = np.array([[effect.is_told for effect in found.effects] for found in of_none])
    assert told.mean() <= 0.05
    of_one = [simulated(random, 1.0) for _ in range(100)]
    firsts = [shares(found)[(0,)] for found in of_one]
    assert all(e.is_told for found in of_one for e in found.effects if e.axes == (0,))
    for found in [*of_none, *of_one]:
        assert found.chance is not None
        assert sum(shares(found).values()) + found.chance == pytest.approx(1, abs=1e-9)
    # The true share is what is left of the whole when chance, 11/12 of 1/8, is taken off.
    assert np.mean(firsts) == pytest.approx((2 / 3) / (2 / 3 + 11 / 12 / 8), abs=0.03)
