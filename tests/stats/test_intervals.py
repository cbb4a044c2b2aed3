"""Intervals hold what is written on them: by hand, by simulation, by property."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.stats.distributions import binomial_cdf, range_quantile, t_quantile
from small_nets.stats.intervals import (
    mean_ends,
    quantile_interval,
    quantile_places,
    wilson,
)


@pytest.mark.parametrize(
    ("n", "places", "confidence"),
    [  # Conover, Practical Nonparametric Statistics, 1999, 3.2: sums of binomial coefficients
        (5, (1, 5), 1 - 2 / 32), (6, (1, 6), 1 - 2 / 64), (8, (1, 8), 1 - 2 / 256),
        (10, (2, 9), 1 - 2 * 11 / 1024), (20, (6, 15), 0.95861), (40, (14, 27), 0.96152),
    ],
)  # fmt: skip
def test_places_of_a_median(n: int, places: tuple[int, int], confidence: float) -> None:
    *found, sure = quantile_places(n)
    assert tuple(found) == places
    assert sure == pytest.approx(confidence, abs=1e-5)


@given(st.integers(5, 300), st.floats(0.02, 0.98))
def test_places_are_as_near_as_they_may_be(n: int, quantile: float) -> None:
    """Each end misses at most 2.5 %, and the next place inside would miss more."""
    low, high, confidence = quantile_places(n, quantile)
    below = binomial_cdf(n, quantile)
    if low >= 1 and not (n == 5 and quantile == 0.5):
        assert below[low - 1] <= 0.025 < below[low]
    assert 0 <= low < high <= n + 1
    assert confidence >= (0.95 - 1e-12 if (n, quantile) != (5, 0.5) else 0.9375 - 1e-12)
    assert 1 - below[high - 1] <= 0.025 + 1e-12


def test_a_value_worse_than_any_number_is_one() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, math.inf, math.inf, math.inf])
    found = quantile_interval(values)
    assert found is not None
    assert (found.low, found.high) == (1.0, math.inf)
    upper = quantile_interval(values, 0.9)
    assert upper is not None
    assert math.isnan(upper.high)  # no value of eight ends it
    assert quantile_interval(values[:4]) is None


@pytest.mark.parametrize(("freedom", "wanted"), [(1, 12.7062), (4, 2.776445), (19, 2.093024)])
def test_t(freedom: int, wanted: float) -> None:
    assert t_quantile(freedom) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("count", "wanted"), [(2, 2.772), (3, 3.314), (10, 4.474), (100, 6.085)])
def test_range(count: int, wanted: float) -> None:
    """Tables of the studentized range with infinitely many degrees of freedom, 5 %."""
    assert range_quantile(count) == pytest.approx(wanted, abs=2e-3)


def test_wilson() -> None:
    """Newcombe, 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for yes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                              (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        found = wilson(yes, n)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_a_mean_of_few() -> None:
    (low,), (high,) = mean_ends(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]))
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert (low, high) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    assert np.isnan(mean_ends(np.array([[1.0], [2.0], [3.0], [4.0]]))).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=40), st.floats(0.001, 1000))
def test_bootstrap_t_moves_with_its_values(values: list[float], scale: float) -> None:
    """Shifted and scaled values have a shifted and scaled interval around their mean."""
    sample = np.array(values)[:, None]
    (low,), (high,) = mean_ends(sample)
    (low2,), (high2,) = mean_ends(scale * sample + 3)
    size = max(1.0, float(np.abs(sample).max()))
    assert low2 == pytest.approx(scale * low + 3, abs=1e-5 * scale * size + 1e-9, nan_ok=True)
    assert high2 == pytest.approx(scale * high + 3, abs=1e-5 * scale * size + 1e-9, nan_ok=True)
    assert low - 1e-6 * size <= sample.mean() <= high + 1e-6 * size


def drawn(kind: str, random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    normal = random.normal(size=shape)
    if kind == "normal":
        return normal
    values = np.exp(0.3 * normal if kind == "stuck" else normal)
    return np.where(random.random(shape) < 0.1, 100 * values, values) if kind == "stuck" else values


@pytest.mark.parametrize("n", [5, 8, 20, 40])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "stuck"])
def test_a_median_is_covered(kind: str, n: int) -> None:
    """A small version of `tests.benchmarks.statistics`."""
    random = np.random.default_rng(n)
    truth = np.median(drawn(kind, random, (10**6, 1)))
    values = np.sort(drawn(kind, random, (n, 4000)), axis=0)
    low, high, confidence = quantile_places(n)
    share = ((values[low - 1] <= truth) & (truth <= values[high - 1])).mean()
    assert share == pytest.approx(confidence, abs=0.015)


@pytest.mark.parametrize("n", [5, 10, 20, 40])
def test_a_mean_of_normal_values_is_covered(n: int) -> None:
    low, high = mean_ends(np.random.default_rng(n).normal(3.0, 2.0, (n, 4000)))
    assert 0.93 <= ((low <= 3) & (high >= 3)).mean() <= 0.97
