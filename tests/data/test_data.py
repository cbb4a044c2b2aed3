"""Sources, splits, normalisation and order, by oracle and by property."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config.normalisations import parse
from small_nets.data import sources
from small_nets.data.batches import Batches, epoch_order
from small_nets.data.division import HeldOut
from small_nets.data.normalisation import fit
from small_nets.data.prepared import Prepared
from small_nets.data.split import held_out_of, split

METHODS = ["none", "constant:0.1", "lp_norm:5", "lp_norm:2", "standardize", "min_max"]


def test_sine_is_the_published_one() -> None:
    table = sources.sine()
    data = Prepared(
        table, normalize_input="lp_norm:5", normalize_target="lp_norm:5", normalize_on="all"
    )
    assert table.input.shape == (3000, 1)
    assert (table.input[0].item(), table.input[-1].item()) == (0.0, 100.0)
    assert data.train.target is not None
    assert data.train.input.max().item() == pytest.approx(0.28850, abs=5e-6)
    assert data.train.target.min().item() == pytest.approx(-0.30935, abs=5e-6)
    assert data.train.target.max().item() == pytest.approx(0.22624, abs=5e-6)


def test_the_quadratic_has_its_eigenvalues() -> None:
    table = sources.quadratic([1.0, 4.0, 9.0])
    w = torch.tensor([0.3, -0.7, 1.1])
    mse = ((table.input @ w) ** 2).mean()
    assert mse.item() == pytest.approx(0.5 * (0.09 + 4 * 0.49 + 9 * 1.21))


@given(
    rows=st.integers(2, 60),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
    shuffle=st.booleans(),
)
def test_a_split_is_a_partition(rows: int, fraction: float, seed: int, shuffle: bool) -> None:
    held_out = int(fraction * rows)
    if not 0 < held_out < rows:
        with pytest.raises(ValueError, match="val_fraction"):
            held_out_of(rows, fraction)
        return
    train, val = split(rows, held_out_of(rows, fraction), shuffle, seed)
    assert len(val) == held_out
    assert sorted(torch.cat([train, val]).tolist()) == list(range(rows))
    again = split(rows, held_out_of(rows, fraction), shuffle, seed)
    assert torch.equal(again[0], train)


def test_the_split_leaves_the_global_stream_alone() -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    split(11, 2, True, 3)
    assert torch.equal(torch.randn(3), expected)


@pytest.mark.parametrize("method", METHODS)
@given(
    rows=st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.floats(-1e3, 1e3, width=32)),
        min_size=2,
        max_size=9,
    )
)
def test_normalisation_is_invertible(method: str, rows: list[tuple[float, float]]) -> None:
    x = torch.tensor(rows, dtype=torch.float64)
    normaliser = fit(method, x)
    there = normaliser.apply(x)
    assert torch.isfinite(there).all()
    scale = float(x.abs().max()) + 1.0
    torch.testing.assert_close(normaliser.invert(there), x, rtol=1e-9, atol=1e-9 * scale)


def test_normalisations_by_hand() -> None:
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    # A constant column is shifted, not divided by zero.
    assert fit("standardize", x).apply(x).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert fit("min_max", x).apply(x).tolist() == [[0.0, 0.0], [1.0, 0.0]]
    torch.testing.assert_close(fit("lp_norm:2", x).apply(x)[:, 0], x[:, 0] / 10**0.5)
    assert torch.equal(fit("constant:0.1", x).apply(x), 0.1 * x)


def test_a_constant_column_that_rounding_blurs() -> None:
    normaliser = fit("standardize", torch.full((11, 1), 0.1))
    assert normaliser.apply(torch.tensor([[0.2]])).item() == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("bad", ["lp:5", "constant:0", "constant:", "lp_norm:0.5", "", "max"])
def test_bad_methods(bad: str) -> None:
    with pytest.raises(ValueError, match="not a normalisation"):
        parse(bad)


def test_normalisation_is_fitted_on_the_training_split() -> None:
    table = sources.rows([[0.0], [1.0], [9.0]], [[0.0], [1.0], [9.0]])
    data = Prepared(table, HeldOut(0.34, shuffle=False), normalize_input="min_max")
    assert data.train.input.flatten().tolist() == [0.0, 1.0]
    assert data.val is not None
    assert data.val.input.item() == 9.0


@given(
    rows=st.integers(1, 30),
    size=st.integers(1, 30),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
def test_an_epoch_is_every_row_once(rows: int, size: int, seed: int, epoch: int) -> None:
    x = torch.arange(rows)[:, None]
    batches = Batches(x, x, size, True, seed)
    batches.set_epoch(epoch)
    found = list(batches)
    assert len(found) == len(batches)
    assert all(len(a) == size for a, _ in found[:-1])
    assert sorted(torch.cat([a for a, _ in found]).flatten().tolist()) == list(range(rows))
    assert all(torch.equal(a, b) for a, b in found)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    orders = {(s, e): tuple(epoch_order(20, s, e).tolist()) for s in range(5) for e in range(5)}
    assert len(set(orders.values())) == 25
    assert orders[3, 2] == tuple(epoch_order(20, 3, 2).tolist())


def test_rows_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        sources.rows([[1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="2 rows of inputs, but 1"):
        sources.rows([[1.0], [2.0]], [[1.0]])
