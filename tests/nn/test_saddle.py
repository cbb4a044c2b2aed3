"""The surface with a saddle: value, gradient and curvature of the loss by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.nn.losses import mse
from small_nets.nn.neurons import BareSaddle
from small_nets.run.build.build import build_start
from small_nets.run.build.compose import compose_settings
from small_nets.run.pictures.hessian import curvature

CONFIG = compose_settings("+experiment=saddle", "precision=64")[0]
DATA, _ = build_start(CONFIG)


def at(u: float, v: float) -> BareSaddle:
    return BareSaddle(start=[u, v]).double()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_the_loss_is_the_surface(u: float, v: float) -> None:
    net = at(u, v)
    target = DATA.train.target
    assert target is not None
    loss = mse(net(DATA.train.input), target)
    loss.backward()
    u, v = net.u.item(), net.v.item()  # the start is rounded to float32
    assert loss.item() == pytest.approx(u**2 / 2 - v**2 / 2 + v**4 / 4 + 0.25, abs=1e-12)
    assert net.u.grad is not None
    assert net.v.grad is not None
    assert net.u.grad.item() == pytest.approx(u, abs=1e-12)
    assert net.v.grad.item() == pytest.approx(v**3 - v, abs=1e-12)


def test_a_saddle_and_two_minima() -> None:
    for v, wanted in ((0, [-1, 1]), (1, [1, 2]), (-1, [1, 2])):
        found = curvature(at(0, v), mse, DATA.train).eigenvalues
        assert found.tolist() == pytest.approx(wanted)


def test_a_start_is_given_or_drawn() -> None:
    torch.manual_seed(3)
    net = BareSaddle()
    torch.manual_seed(3)
    assert [net.u.item(), net.v.item()] == [torch.randn(()).item(), torch.randn(()).item()]
    with pytest.raises(ValueError, match="3 columns, but there are 2 weights"):
        net(torch.ones(1, 3))
