"""Where many runs end: parted where the losses have a wide gap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.stats.endings import GAP, endings_of


def test_stuck_nets_are_told_apart() -> None:
    drawn = np.random.default_rng(0)
    good = np.exp(drawn.normal(np.log(3e-4), 0.1, 500))
    values = np.concatenate([good, np.full(300, 0.3466), np.full(200, 0.4774), [np.inf, 0.0, 0.02]])
    found = endings_of(drawn.permutation(values))
    assert [e.count for e in found] == [500, 300, 200]
    assert [e.middle for e in found[1:]] == [0.3466, 0.4774]
    assert (found[0].low, found[0].high) == (good.min(), good.max())


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60), st.floats(1e-3, 1e3))
def test_endings_lie_apart_whatever_the_unit(values: list[float], scale: float) -> None:
    found = endings_of(np.array(values))
    for one, other in pairwise(found):
        assert np.log(other.low / one.high) > GAP
        assert one.low <= one.middle <= one.high
    assert sum(e.count for e in found) <= len(values)
    scaled = endings_of(np.array(values) * scale)
    if len(scaled) == len(found):  # rounding may move a gap that is just wide enough
        assert [e.middle for e in scaled] == pytest.approx([e.middle * scale for e in found])


def test_a_spread_is_one_ending_and_nothing_is_none() -> None:
    assert len(endings_of(np.geomspace(1e-4, 1, 200))) == 1
    assert endings_of(np.array([np.inf, np.nan, -1.0])) == []
