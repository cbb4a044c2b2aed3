"""A profile is counted by hand, and a full part is full."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.stats.full_part import full_part
from small_nets.stats.profile import profile

ENDS = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.inf]), min_size=1, max_size=12)


def test_a_profile_by_hand() -> None:
    places, shares = profile(np.array([3.0, 1.0, np.inf, 1.0, 2.0]))
    assert places.tolist() == [1.0, 2.0, 3.0]
    assert shares.tolist() == [0.4, 0.6, 0.8]  # and never 1: a run was lost


def test_of_an_accuracy_more_is_better() -> None:
    places, shares = profile(np.array([0.5, 0.9, 0.9, -np.inf]), high=True)
    assert places.tolist() == [0.5, 0.9]
    assert shares.tolist() == [0.75, 0.5]


@given(ENDS, st.booleans())
def test_a_profile_counts(ends: list[float], high: bool) -> None:
    values = -np.array(ends) if high else np.array(ends)
    for place, share in zip(*profile(values, high), strict=True):
        better = values >= place if high else values <= place
        assert share == better.mean()


def test_a_row_that_is_empty_goes_and_nothing_else() -> None:
    is_known = np.ones((3, 4, 2), dtype=bool)
    is_known[1] = False
    assert [part.tolist() for part in full_part(is_known)] == [[0, 2], [0, 1, 2, 3], [0, 1]]


@pytest.mark.parametrize("seed", range(5))
def test_a_full_part_is_full(seed: int) -> None:
    is_known = np.random.default_rng(seed).random((4, 3, 5)) < 0.8
    assert is_known[np.ix_(*full_part(is_known))].all()


def test_of_an_extended_table_the_first_rectangle_is_left() -> None:
    is_known = np.zeros((20, 5), dtype=bool)  # ten seeds of five splits, then ten of one split
    is_known[:10], is_known[:, 0] = True, True
    rows, columns = full_part(is_known)
    assert rows.tolist() == list(range(10))
    assert columns.tolist() == list(range(5))
