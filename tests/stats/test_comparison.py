"""Where all settings are equal, one report in twenty tells one apart, whatever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.stats import comparison
from small_nets.stats.comparison import told_from_best, wins_of

REPEATS = 200


def world(kind: str, random: np.random.Generator, seeds: int, settings: int) -> np.ndarray:
    """Values of equal settings, (seeds, settings)."""
    normal = random.normal(size=(seeds, settings))
    if kind == "seeds matter":
        return np.exp(0.5 * normal + 2 * random.normal(size=(seeds, 1)))
    if kind == "stuck":
        return np.where(random.random((seeds, settings)) < 0.1, 100.0, 1.0) * np.exp(0.3 * normal)
    if kind == "lost":
        return np.where(random.random((seeds, settings)) < 0.4, np.inf, np.exp(normal))
    return -random.binomial(10, 0.9, size=(seeds, settings)) / 10  # accuracies, with many ties


@pytest.mark.every(3)
@pytest.mark.parametrize("kind", ["seeds matter", "stuck", "lost", "accuracy"])
@pytest.mark.parametrize(("settings", "seeds"), [(2, 8), (10, 8), (10, 20), (60, 8)])
def test_equal_settings_are_left_equal(kind: str, settings: int, seeds: int) -> None:
    random = np.random.default_rng(seeds * settings)
    wrong = 0
    for _ in range(REPEATS):
        values = world(kind, random, seeds, settings)
        best = int(np.median(values, axis=0).argmin())
        wrong += told_from_best(values, best).any()
    # 200 draws of 5 % lie above 19 once in 50 times: the seed of this test is fixed.
    assert wrong <= 19


def test_a_worse_setting_is_told() -> None:
    random = np.random.default_rng(0)
    values = np.exp(0.3 * random.normal(size=(20, 5)))
    values[:, 3] *= 5
    values[::2, 4] = np.inf
    assert told_from_best(values, 0).tolist() == [False, False, False, True, True]
    wins = wins_of(values[:, [0]], values)
    assert wins[3] >= 19
    assert wins[4] >= 14


def test_two_settings_are_the_signed_ranks_of_wilcoxon() -> None:
    """With two settings all differences of one sign are told from six seeds on, not from five."""
    for seeds, is_told in ((5, False), (6, True)):
        values = np.ones((seeds, 2))
        values[:, 1] += np.arange(1, seeds + 1)
        assert told_from_best(values, 0).tolist() == [False, is_told]


def test_few_seeds_tell_nothing() -> None:
    values = np.array([[1.0, 100.0]] * 4)
    assert not told_from_best(values, 0).any()


@given(st.integers(0, 1000), st.floats(0.001, 1000), st.floats(0.2, 3))
def test_scale_and_power_of_losses_do_not_matter(seed: int, scale: float, power: float) -> None:
    values = np.exp(np.random.default_rng(seed).normal(size=(8, 4)) * [1, 1, 2, 1] + [0, 0, 1, 3])
    before = told_from_best(values, 0)
    after = told_from_best(scale * values**power, 0)
    assert before.tolist() == after.tolist()


def test_the_order_of_settings_does_not_matter() -> None:
    values = np.exp(np.random.default_rng(3).normal(size=(12, 6)) + np.arange(6) / 2)
    places = np.random.default_rng(4).permutation(6)
    before = told_from_best(values, 0)
    after = told_from_best(values[:, places], int(np.flatnonzero(places == 0)[0]))
    assert after.tolist() == before[places].tolist()


def test_many_settings_by_the_normal_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond MOST_DEALT the sums of ranks are taken for normal: nearly the same allowance."""
    ranks = comparison._aligned_ranks(np.random.default_rng(0).normal(size=(20, 40)))
    dealt = comparison._allowance(ranks, 0.05)
    monkeypatch.setattr(comparison, "MOST_DEALT", 0)
    assert comparison._allowance(ranks, 0.05) == pytest.approx(dealt, rel=0.05)
