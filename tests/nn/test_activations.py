"""The written-out activations against torch's: value, gradient, range."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config.model_schema import LAYERS
from small_nets.nn.activations import MODULES

PAIRS = ["sigmoid", "tanh", "relu", "softmax"]
NUMBERS = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=8)


def value_and_gradient(name: str, numbers: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.tensor([numbers], dtype=torch.float64, requires_grad=True)
    y = MODULES[name]()(x)
    weights = torch.arange(1.0, len(numbers) + 1, dtype=torch.float64)
    return y.detach(), torch.autograd.grad((y * weights).sum(), x)[0]


@pytest.mark.parametrize("name", PAIRS)
@given(numbers=NUMBERS)
def test_by_hand_equals_torch(name: str, numbers: list[float]) -> None:
    ours, theirs = value_and_gradient(f"{name}_by_hand", numbers), value_and_gradient(name, numbers)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("x", [0.0, -0.0, 100.0, -100.0, 1e4, -1e4])
def test_far_out_and_at_zero(name: str, x: float) -> None:
    ours = value_and_gradient(f"{name}_by_hand", [x, 1.0])
    theirs = value_and_gradient(name, [x, 1.0])
    for a, b in zip(ours, theirs, strict=True):
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_float32_stays_finite(name: str) -> None:
    x = torch.tensor([[-100.0, 0.0, 100.0]], requires_grad=True)
    y = MODULES[name]()(x)
    assert torch.isfinite(y).all()
    assert torch.isfinite(torch.autograd.grad(y.sum(), x)[0]).all()
    assert y.shape == x.shape
