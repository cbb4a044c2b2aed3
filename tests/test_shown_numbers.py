"""Numbers far from zero, as they are shown: neighbours stay apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from small_nets.page.numbers import array
from small_nets.run.terminal.tables import number


@given(offset=st.integers(-(10**12), 10**12), count=st.integers(2, 300))
def test_a_page_keeps_neighbours_apart(offset: int, count: int) -> None:
    found = array(offset + np.arange(count, dtype=float))
    assert found == [float(offset + i) for i in range(count)]


def test_a_page_is_short_where_it_can_be() -> None:
    assert array([1 / 3, 2 / 3, np.nan, np.inf]) == [0.333333, 0.666667, None, None]
    assert array([1 / 3]) == [0.333333]
    assert array([]) == []
    assert array([1e-9 / 3, 1e5 / 3]) == [3.33333e-10, 33333.3]


def test_unix_seconds_in_the_terminal() -> None:
    assert [number(1_700_000_000.0 + i, ".6g") for i in (0, 1)] == ["1700000000", "1700000001"]
    assert number(1e8 + 0.5) == "100000000.5"
    assert number(1e30) == "1e+30"
