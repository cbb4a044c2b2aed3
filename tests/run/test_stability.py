"""The bound that sharpness.png draws, against what the optimizers themselves do."""

from collections.abc import Callable

import pytest
import torch

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.spec import Run
from small_nets.run.stability import Stability, stability
from tests.conftest import Finished


def run_of(*overrides: str) -> Run:
    return build(compose_settings("+experiment=temperature_linear", *overrides)[0])


def bound_of(*overrides: str) -> Stability | None:
    return stability(run_of(*overrides))


def distance_after(run: Run, curvature: float, steps: int) -> float:
    """How far from the minimum of ½ λ w² the run's optimizer ends; it starts at 1."""
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = run.make_optimizer([w])
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * curvature * w**2).sum().backward()
        optimizer.step()
    return abs(w.item())


@pytest.mark.every(2)
@pytest.mark.parametrize("overrides", [
    ("optimizer=sgd",), ("optimizer=sgd_by_hand",),
    ("optimizer=momentum", "optimizer.momentum=0.9"),
    ("optimizer=momentum_by_hand", "optimizer.momentum=0.5"),
    ("optimizer=momentum", "optimizer.momentum=0.8", "optimizer.nesterov=true"),
    ("optimizer=momentum_by_hand", "optimizer.momentum=0.3", "optimizer.nesterov=true"),
])  # fmt: skip
def test_steps_grow_above_the_bound_and_nowhere_below(overrides: tuple[str, ...]) -> None:
    run = run_of(*overrides, "optimizer.lr=0.1")
    found = stability(run)
    assert found is not None
    assert distance_after(run, 0.98 * found.at(0), 2000) < 1e-3
    assert distance_after(run, 1.02 * found.at(0), 2000) > 1e3


def test_the_bound_follows_the_schedule() -> None:
    found = bound_of("optimizer.lr=0.1", "scheduler=exponential", "scheduler.decay=0.5")
    assert found is not None
    assert [found.at(step) for step in range(3)] == pytest.approx([20, 40, 80])


@pytest.mark.parametrize("overrides", [
    ("optimizer=adam",), ("optimizer=adamw_by_hand",), ("optimizer=rmsprop",),
    ("optimizer=adagrad",), ("data.batch_size=3",), ("trainer.gradient_clip_val=1.0",),
    ("optimizer.weight_decay=0.1",),
])  # fmt: skip
def test_no_bound_where_it_does_not_hold(overrides: tuple[str, ...]) -> None:
    assert bound_of(*overrides, "optimizer.lr=0.1") is None


def test_a_batch_of_all_rows_is_the_whole_split() -> None:
    rows = len(run_of().data.train)
    assert bound_of(f"data.batch_size={rows}") is not None


@pytest.mark.parametrize(("batch", "is_drawn"), [("null", True), ("1", False)])
def test_the_picture_is_drawn_where_the_bound_holds(
    batch: str, is_drawn: bool, finish: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("small_nets.run.figures.figure.DPI", 40)
    done = finish("+experiment=proportional", "trainer.max_epochs=3", f"data.batch_size={batch}",
                  "pictures=all")  # fmt: skip
    assert (done.directory / "sharpness.png").exists() == is_drawn
