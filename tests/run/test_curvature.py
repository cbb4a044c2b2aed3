"""Hessians and rates against hand calculations."""

import math
from collections.abc import Callable

import pytest
import torch

from small_nets.data.prepared import Prepared
from small_nets.data.sources import quadratic
from small_nets.nn.losses import mse
from small_nets.run.pictures.hessian import compare_rates, curvature, descend
from tests.conftest import Finished


@pytest.mark.parametrize("eigenvalues", [[1.0, 4.0, 9.0], [4.0], [3.0, 4.0], [99.0, 100.0]])
def test_a_known_quadratic(eigenvalues: list[float]) -> None:
    data = Prepared(quadratic(eigenvalues))
    net = torch.nn.Linear(len(eigenvalues), 1, bias=False)
    found = curvature(net, mse, data.train)
    assert found.eigenvalues.tolist() == pytest.approx(sorted(eigenvalues))
    low, high = min(eigenvalues), max(eigenvalues)
    assert found.best_lr == pytest.approx(2 / (low + high))
    assert found.contraction(found.best_lr) == pytest.approx((high - low) / (high + low), abs=1e-6)
    *below, beyond = compare_rates(torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)))
    for rate in below:
        assert not rate.diverges
        assert rate.rate == pytest.approx(rate.contraction, rel=1e-3, abs=1e-6)
    assert beyond.diverges
    assert min(r.contraction for r in below) == below[-1].contraction


def test_descent_by_hand() -> None:
    matrix, start = torch.diag(torch.tensor([1.0, 3.0], dtype=torch.float64)), torch.ones(2)
    logs = descend(matrix, start, 0.1, steps=2)
    norms = [math.hypot(0.9**k, 0.7**k) / math.sqrt(2) for k in range(3)]
    assert logs == pytest.approx([math.log(n) for n in norms])
    assert descend(matrix[:1, :1], start[:1], 1.0, steps=2)[1:] == [-math.inf, -math.inf]


def test_where_the_loss_is_not_convex(finish: Callable[..., Finished]) -> None:
    for extra in (
        ("+experiment=sine", "trainer.max_epochs=0"),
        ("+experiment=temperature_linear", "model.output_activation=relu", "optimizer.lr=1",
         "model.init=normal", "seed=1", "trainer.max_epochs=20"),
    ):  # fmt: skip
        done = finish(*extra, "analysis=curvature")
        assert "not convex here" in done.text
        assert "hessian/optimal_lr" not in done.result.metrics


def test_the_written_out_cross_entropy_has_a_hessian_too(finish: Callable[..., Finished]) -> None:
    base = ("+experiment=and_gate", "trainer.max_epochs=3", "analysis=curvature")
    ours, theirs = (finish(*base, f"loss={name}").result.metrics for name in ("bce_by_hand", "bce"))
    assert ours["hessian/lambda_max"] == pytest.approx(theirs["hessian/lambda_max"], rel=1e-4)
