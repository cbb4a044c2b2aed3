"""Runs against loops written out in plain PyTorch, as a notebook has them, with nothing of ours."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import Finished

T_U = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
T_C = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]


def held_out(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    n_val = int(0.2 * rows)
    return order[:-n_val], order[-n_val:]


def temperature(seed: int, epochs: int, dtype: torch.dtype) -> tuple[list[Tensor], float, float]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)
    t_u, t_c = torch.tensor(T_U).unsqueeze(1).to(dtype), torch.tensor(T_C).unsqueeze(1).to(dtype)
    train, val = held_out(11, seed)
    t_un = 0.1 * t_u
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        loss = nn.MSELoss()(net(t_un[train]), t_c[train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        ends = [nn.MSELoss()(net(t_un[rows]), t_c[rows]).item() for rows in (train, val)]
    return [p.detach() for p in net.parameters()], ends[0], ends[1]


def sine(seed: int, epochs: int, dtype: torch.dtype) -> tuple[list[Tensor], float, float]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 1), nn.Tanh()).to(dtype)
    x = torch.linspace(0, 100, 3000, dtype=torch.float64)
    y = 3 * torch.sin(0.01 * x) * torch.cos(0.1 * x)
    x, y = x.float().unsqueeze(1).to(dtype), y.float().unsqueeze(1).to(dtype)
    x, y = nn.functional.normalize(x, p=5, dim=0), nn.functional.normalize(y, p=5, dim=0)
    train, val = held_out(3000, seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.015)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x[train]), y[train]).backward()
        optimizer.step()
    with torch.no_grad():
        ends = [nn.functional.mse_loss(net(x[rows]), y[rows]).item() for rows in (train, val)]
    return [p.detach() for p in net.parameters()], ends[0], ends[1]


@pytest.mark.every(2)
@pytest.mark.parametrize(("name", "loop", "epochs", "seed"), [
    ("temperature_mlp", temperature, 5000, 0),
    ("temperature_mlp", temperature, 1000, 7),
    ("sine", sine, 300, 0),
    ("sine", sine, 100, 7),
])  # fmt: skip
def test_float64_to_rounding(
    name: str, loop: Callable[..., tuple[list[Tensor], float, float]], epochs: int, seed: int,
    finish: Callable[..., Finished],
) -> None:  # fmt: skip
    done = finish(
        f"+experiment={name}", f"seed={seed}", f"trainer.max_epochs={epochs}", "precision=64"
    )
    parameters, train, val = loop(seed, epochs, torch.float64)
    for ours, theirs in zip(done.run.net.parameters(), parameters, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-9, atol=1e-11)
    assert done.result.metrics["train/loss"] == pytest.approx(train, rel=1e-9)
    assert done.result.metrics["val/loss"] == pytest.approx(val, rel=1e-9)


@pytest.mark.parametrize(("name", "loop"), [("temperature_mlp", temperature), ("sine", sine)])
def test_float32_early_on(
    name: str,
    loop: Callable[..., tuple[list[Tensor], float, float]],
    finish: Callable[..., Finished],
) -> None:
    done = finish(f"+experiment={name}", "seed=3", "trainer.max_epochs=50")
    parameters, *_ = loop(3, 50, torch.float32)
    for ours, theirs in zip(done.run.net.parameters(), parameters, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-5)


def test_and_gate_from_bare_tensors(finish: Callable[..., Finished]) -> None:
    torch.manual_seed(1)
    w, b = torch.randn(2).double().requires_grad_(), torch.randn(1).double().requires_grad_()
    rows = [((1, 1), 1), ((1, 0), 0), ((0, 1), 0), ((0, 0), 0)]
    for _ in range(60):
        for (x1, x2), y in rows:
            p = 1 / (1 + torch.exp(-(x1 * w[0] + x2 * w[1] + b)))
            loss = -(y * torch.log(p / (1 - p)) + torch.log(1 - p)).sum()
            loss.backward()
            with torch.no_grad():
                for parameter in (w, b):
                    assert parameter.grad is not None
                    parameter -= 10 * parameter.grad
                    parameter.grad = None
    done = finish("+experiment=and_gate_tensors", "seed=1", "trainer.max_epochs=60", "precision=64")
    ours = [p.detach() for p in done.run.net.parameters()]
    torch.testing.assert_close(ours[0], w.detach(), rtol=1e-9, atol=0)
    torch.testing.assert_close(ours[1], b.detach(), rtol=1e-9, atol=0)


def test_line_by_hand_by_hand(finish: Callable[..., Finished]) -> None:
    torch.manual_seed(4)
    w, b = torch.randn(()).item(), torch.randn(()).item()
    data = [(x, 10 * x + 5) for x in range(1, 7)]
    for _ in range(100):
        gw = sum(2 * (w * x + b - y) * x for x, y in data) / 6
        gb = sum(2 * (w * x + b - y) for x, y in data) / 6
        w, b = w - 0.001 * gw, b - 0.001 * gb
    done = finish("+experiment=line_by_hand", "seed=4", "trainer.max_epochs=100", "precision=64")
    assert [p.item() for p in done.run.net.parameters()] == pytest.approx([w, b], rel=1e-9)


def test_mini_batches_with_clipping_and_a_schedule(finish: Callable[..., Finished]) -> None:
    from small_nets.data.batches import epoch_order

    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = 0.1 * torch.tensor(T_U).unsqueeze(1).double()
    y = torch.tensor(T_C).unsqueeze(1).double()
    train, _ = held_out(11, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    step = 0
    for epoch in range(20):
        for rows in train[epoch_order(9, 2, epoch)].split(4):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * 0.99**step
            optimizer.zero_grad()
            nn.functional.mse_loss(net(x[rows]), y[rows]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
    done = finish(
        *("+experiment=temperature_mlp", "seed=2", "trainer.max_epochs=20", "precision=64"),
        *("optimizer=adam", "optimizer.lr=0.01", "data.batch_size=4"),
        *("trainer.gradient_clip_val=1.0", "scheduler=exponential", "scheduler.decay=0.99"),
    )
    assert done.result.steps == step == 60
    for ours, theirs in zip(done.run.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
