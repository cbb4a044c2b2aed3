"""Successive halving's decisions, by table and by property."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.config.errors import InputError
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.halving.checks import check_halving
from small_nets.sweep.halving.rungs import Halving, rungs, survivors
from small_nets.sweep.results.standard import Standard

NAN, INF = math.nan, math.inf
BY = {False: Standard("val/loss"), True: Standard("val/r2")}  # by whether more is better
factors = st.one_of(
    st.integers(2, 9), st.floats(1.01, 9), st.sampled_from([1.1, 1.5, 1.0000001, 1e22])
)


@pytest.mark.parametrize(
    ("first", "factor", "epochs", "wanted"),
    [
        (100, 3, 5000, [100, 300, 900, 2700]),
        (100, 3, 900, [100, 300]),
        (100, 3, 901, [100, 300, 900]),
        (100, 3, 100, []),
        (100, 3, 0, []),
        (1, 2, 9, [1, 2, 4, 8]),
        (100, 1.5, 600, [100, 150, 225, 338, 507]),
        (100, 1.1, 130, [100, 110, 121]),
        (1, 1.1, 5, [1, 2, 3, 4]),
    ],
)
def test_rungs(first: int, factor: float, epochs: int, wanted: list[int]) -> None:
    assert rungs(first, factor, epochs) == wanted


@settings(deadline=None)
@given(st.integers(1, 200), factors, st.integers(0, 5000))
def test_each_rung_is_the_next_whole_multiple(first: int, factor: float, epochs: int) -> None:
    found = rungs(first, factor, epochs)
    assert found[:1] == ([first] if first < epochs else [])
    for a, b in itertools.pairwise(found):
        assert a < b < epochs
        assert b - 1 < a * factor * (1 + 1e-15)
        assert b >= a * factor * (1 - 1e-15)


@pytest.mark.parametrize(
    ("values", "factor", "high", "going"),
    [
        # The median, not the mean: one bad seed of three does not count.
        ({"a": [1, 1, 99], "b": [2, 2, 2], "c": [3, 3, 3]}, 3, False, ["a"]),
        ({"a": [1, 1, 99], "b": [2, 2, 2], "c": [3, 3, 3]}, 3, True, ["c"]),
        ({"a": [3], "b": [1], "c": [2], "d": [4]}, 3, False, ["b", "c"]),
        ({"a": [3], "b": [1]}, 3, False, ["b"]),
        ({"a": [3]}, 3, False, ["a"]),
        ({"a": [1, NAN, NAN], "b": [9, 9, 9]}, 2, False, ["b"]),
        ({"a": [1, 2, INF], "b": [9, 9, 9]}, 2, False, ["a"]),
        ({"a": [-INF], "b": [9]}, 2, False, ["b"]),  # not finite, and so no good
        ({"a": [INF], "b": [0.1]}, 2, True, ["b"]),
        ({"a": [NAN, 1], "b": [5, 5]}, 2, False, ["b"]),  # between the two in the middle
        ({"a": [], "b": [5]}, 2, False, ["b"]),
        ({"b": [1], "a": [1], "c": [1]}, 1.5, False, ["b", "a"]),
        ({"b": [NAN], "a": [NAN]}, 2, False, ["b"]),
        ({i: [i] for i in range(110)}, 1.1, False, [*range(100)]),
        ({}, 3, False, []),
    ],
)
def test_survivors(
    values: dict[object, list[float]], factor: float, high: bool, going: list[object]
) -> None:
    assert survivors(values, factor, BY[high]).going == going


several = st.dictionaries(
    st.integers(), st.lists(st.floats(width=32) | st.sampled_from([1.0, 2.0]), max_size=5),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(deadline=None)
@given(several, factors, st.booleans(), st.integers(0, 99))
def test_survivors_are_the_better_ones(
    values: dict[int, list[float]], factor: float, high: bool, seed: int
) -> None:
    found = survivors(values, factor, BY[high])
    count = len(found.going)
    assert sorted(found.of.values()) == [*range(1, len(values) + 1)]
    assert set(found.of) == set(values)
    assert (count - 1) * factor < len(values) <= count * factor * (1 + 1e-12)

    def worth(setting: int) -> float:
        worst = -INF if high else INF
        finite = [v if math.isfinite(v) else worst for v in values[setting]]
        with np.errstate(invalid="ignore"):
            return float(np.median(finite)) if finite else worst

    ranked = [worth(setting) for setting in found.of]
    assert ranked == sorted(ranked, reverse=high)
    shuffled = {s: random.Random(seed).sample(v, len(v)) for s, v in values.items()}
    assert survivors(shuffled, factor, BY[high]) == found
    assert survivors({s: values[s] for s in found.of}, factor, BY[high]) == found


@pytest.mark.parametrize(
    "value", ["null", "{}", "{factor: 3}", "{first: 10}", "{factor: 1.5, first: 1}"]
)
def test_what_may_be_set(value: str) -> None:
    settled = compose_settings("+experiment=sine", f"sweep.halving={value}")[0]
    found = settled["sweep"]["halving"]
    assert found is None or Halving(**found).factor > 1
    check_halving(found, 1000)


def test_the_usual() -> None:
    assert compose_settings("+experiment=sine")[0]["sweep"]["halving"] is None
    assert Halving() == Halving(factor=3, first=100)


@pytest.mark.parametrize(
    ("halving", "epochs", "fix"),
    [
        ({}, 100, "sweep.halving='{factor: 3, first: 10}'"),
        ({"factor": 2, "first": 7}, 7, "sweep.halving='{factor: 2, first: 1}'"),
        ({"first": 1}, 1, "sweep.halving=null"),
        ({"first": 1}, 0, "sweep.halving=null"),
    ],
)
def test_halving_without_enough_epochs(halving: dict[str, float], epochs: int, fix: str) -> None:
    with pytest.raises(InputError, match=f"max_epochs={epochs}") as caught:
        check_halving(halving, epochs)
    assert str(caught.value).endswith(f"Fix: {fix}")
    check_halving(halving, 101)
    check_halving(None, epochs)
