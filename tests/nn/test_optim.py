"""One table drives every rule: against torch.optim step for step, and broadcast over runs."""

from typing import Any

import pytest
import torch

from small_nets.nn import schedules, update_rules

# name: (rule, torch's, settings)
TABLE: dict[str, tuple[update_rules.UpdateRule, Any, dict[str, Any]]] = {
    "sgd": (update_rules.sgd, torch.optim.SGD, {"lr": 0.1}),
    "sgd decay": (update_rules.sgd, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (update_rules.momentum, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (
        update_rules.momentum,
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
    ),
    "adagrad": (
        update_rules.adagrad,
        torch.optim.Adagrad,
        {"lr": 0.1, "lr_decay": 0.01, "eps": 1e-10},
    ),
    "rmsprop": (
        update_rules.rmsprop,
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-8},
    ),
    "adam": (update_rules.adam, torch.optim.Adam, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 1e-8}),
    "adam decay": (update_rules.adam, torch.optim.Adam, {"lr": 0.05, "weight_decay": 0.1}),
    "adamw": (update_rules.adamw, torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1}),
}


def path(make: Any, settings: dict[str, Any], dtype: torch.dtype) -> list[torch.Tensor]:
    """The parameters after each of 50 steps on a small non-linear problem."""
    torch.manual_seed(0)
    x, y = torch.randn(20, 3, dtype=dtype), torch.randn(20, 1, dtype=dtype)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).to(
        dtype
    )
    optimizer = make(net.parameters(), **settings)
    steps = []
    for _ in range(50):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        steps.append(torch.cat([p.detach().flatten().clone() for p in net.parameters()]))
    return steps


@pytest.mark.parametrize("name", TABLE)
def test_equals_torch_step_for_step(name: str) -> None:
    ours, theirs, settings = TABLE[name]
    a, b = (path(make, settings, torch.float64) for make in (ours.by_hand, theirs))
    for mine, other in zip(a, b, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-13)
    assert not torch.equal(a[0], a[-1])


@pytest.mark.parametrize("name", TABLE)
def test_first_float32_steps(name: str) -> None:
    ours, theirs, settings = TABLE[name]
    a, b = (path(make, settings, torch.float32)[2] for make in (ours.by_hand, theirs))
    torch.testing.assert_close(a, b, rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_settings_broadcast_over_runs(name: str, dtype: torch.dtype) -> None:
    """Three runs in one call, each with its own lr, are three runs alone, to the bit."""
    rule, _, settings = TABLE[name]
    rates = [0.1, 0.01, 0.003]
    torch.manual_seed(1)
    start = torch.randn(3, 5, dtype=dtype)
    gradients = torch.randn(4, 3, 5, dtype=dtype)
    together, state = start, {}
    lr = torch.tensor(rates, dtype=torch.float64)[:, None]
    for step, g in enumerate(gradients, 1):
        together, state = rule(together, g, state, step, **settings | {"lr": lr})
    assert together.dtype == dtype
    for i, rate in enumerate(rates):
        alone, state = start[i], {}
        for step, g in enumerate(gradients, 1):
            alone, state = rule(alone, g[i], state, step, **settings | {"lr": rate})
        assert torch.equal(together[i], alone)


def test_closures_and_schedulers_work_on_ours() -> None:
    parameter = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = update_rules.sgd.by_hand([parameter], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (parameter**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    scheduler.step()
    optimizer.step(closure)
    assert parameter.item() == pytest.approx(2 * 0.8 * 0.9)


def test_schedules_by_hand() -> None:
    assert [schedules.step(s, every=2, factor=0.5) for s in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    assert schedules.exponential(3, decay=0.9) == pytest.approx(0.729)
    assert [schedules.warmup(s, steps=4) for s in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
    values = [schedules.cosine(s, steps=4, end=0.2) for s in (0, 2, 4, 9)]
    assert values == pytest.approx([1.0, 0.6, 0.2, 0.2])


def test_cosine_equals_torch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for step in range(10):
        found = optimizer.param_groups[0]["lr"]
        assert found == pytest.approx(schedules.cosine(step, steps=10, end=0.0))
        optimizer.step()
        scheduler.step()
