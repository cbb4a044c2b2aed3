"""Each loss against torch's, value and gradient; shapes match or raise."""

import math
from pkgutil import resolve_name
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config.components import LOSSES
from small_nets.nn import losses
from small_nets.nn.metrics import accuracy

OURS: list[losses.Loss] = [resolve_name(facts.where) for facts in LOSSES.values()]
PROBABILITY = st.floats(0.0, 1.0, width=32)


def value_and_gradient(name: str, p: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    p = p.clone().requires_grad_()
    value = getattr(losses, name)(p, y)
    return [value.detach(), torch.autograd.grad(value, p)[0]]


def assert_same(name: str, p: torch.Tensor, y: torch.Tensor, rtol: float = 1e-10) -> None:
    ours, theirs = value_and_gradient(f"{name}_by_hand", p, y), value_and_gradient(name, p, y)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-12)


@given(rows=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=6))
def test_mse(rows: list[tuple[float, float]]) -> None:
    table = torch.tensor(rows, dtype=torch.float64)
    assert_same("mse", table[:, :1], table[:, 1:])


@given(rows=st.lists(st.tuples(PROBABILITY, st.sampled_from([0.0, 1.0])), min_size=1, max_size=6))
def test_bce_at_the_ends_too(rows: list[tuple[float, float]]) -> None:
    table = torch.tensor(rows, dtype=torch.float64)
    # torch keeps its 1e-12 in float32.
    assert_same("bce", table[:, :1], table[:, 1:], rtol=1e-7)


@given(
    logits=st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5),
    classes=st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
def test_cross_entropy(logits: list[list[float]], classes: list[int]) -> None:
    p = torch.tensor(logits, dtype=torch.float64)
    y = torch.nn.functional.one_hot(torch.tensor(classes[: len(logits)]), 3).double()
    assert_same("cross_entropy", p, y)


def test_cross_entropy_of_one_class_is_zero() -> None:
    p, y = torch.tensor([[0.3]]), torch.tensor([[1.0]])
    assert losses.cross_entropy(p, y).item() == 0
    assert losses.cross_entropy_by_hand(p, y).item() == 0


def test_log_odds_form_is_bce_inside_and_nan_at_one() -> None:
    p, y = torch.tensor([[0.2], [0.9]]), torch.tensor([[0.0], [1.0]])
    torch.testing.assert_close(losses.bce_log_odds(p, y), losses.bce(p, y))
    assert math.isnan(losses.bce_log_odds(torch.tensor([[1.0]]), torch.tensor([[0.0]])).item())


@pytest.mark.parametrize("measure", [*OURS, accuracy])
def test_nothing_broadcasts(measure: Any) -> None:
    with pytest.raises(ValueError, match=r"\(4, 1\).*\(4,\)"):
        measure(torch.rand(4, 1), torch.rand(4))


def test_accuracy_by_hand() -> None:
    p = torch.tensor([[0.6], [0.4], [0.9]])
    assert accuracy(p, torch.tensor([[1.0], [1.0], [1.0]])).item() == pytest.approx(2 / 3)
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    assert accuracy(logits, torch.tensor([[1.0, 0.0], [1.0, 0.0]])).item() == 0.5


@pytest.mark.parametrize("loss", OURS, ids=LOSSES)
def test_the_constant_predictor_is_the_best_constant(loss: losses.Loss) -> None:
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    best = loss.best_constant(y)
    least = loss(best.expand_as(y), y)
    for step in (torch.eye(2, dtype=y.dtype)[i] * by for i in (0, 1) for by in (1e-3, -1e-3)):
        assert least < loss((best + step).expand_as(y), y)


@pytest.mark.parametrize("loss", OURS, ids=LOSSES)
def test_its_row_form_is_the_same_loss(loss: losses.Loss) -> None:
    """Value and gradient, row by row; so each by-hand form shares its kernels with torch's."""
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(7, 3, generator=generator, dtype=torch.float64).requires_grad_()
    y = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 1, 2, 2, 1, 0, 0])]
    assert loss.rows is not None
    count = len(p) if loss.rows.by_row else p.numel()
    value = loss.rows.value(p.unbind(1), y.unbind(1)).sum() / count
    wanted = loss(p, y)
    torch.testing.assert_close(value, wanted)
    each = torch.full((len(p),), 1 / count, dtype=p.dtype)
    back = torch.stack([*loss.rows.back(each, p.unbind(1), y.unbind(1))], 1)
    torch.testing.assert_close(back, torch.autograd.grad(wanted, p)[0])
