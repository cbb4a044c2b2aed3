"""The end of a run says when the loss is still falling, and only then."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.run.convergence import still_falling
from small_nets.run.notes import end_notes
from tests.conftest import Finished, Swept

STEPS = [10.0 * i for i in range(101)]
SCALE = {"train/loss": 1.0}


def curves(train: Callable[[float], float], **more: Callable[[float], float]) -> dict[str, list]:
    """train: of the share of training that is over, from 0 to 1."""
    found = {"step": [*STEPS], "train/loss": [train(s / 1000) for s in STEPS]}
    return found | {f"{n}/loss": [f(s / 1000) for s in STEPS] for n, f in more.items()}


FALLING = {
    "a line": lambda t: 1 - 0.5 * t,
    "slowly exponential": lambda t: math.exp(-2 * t),
    "late": lambda t: 0.9 if t < 0.7 else 0.9 - 2 * (t - 0.7),
    "a little noise": lambda t: math.exp(-2 * t) + 0.002 * math.sin(900 * t),
}
DONE = {
    "constant": lambda t: 0.3,
    "at its limit": lambda t: 0.2 + math.exp(-30 * t),
    "numerically zero": lambda t: math.exp(-40 * t),
    "zero": lambda t: max(1 - 2 * t, 0.0),
    "rising": lambda t: 0.1 + 0.5 * t,
    "swinging": lambda t: 0.3 + 0.1 * math.cos(200 * t),
    "swinging while it falls": lambda t: 0.3 - 0.1 * t + 0.1 * math.cos(200 * t),
    "not finite": lambda t: math.inf if t > 0.95 else 1 - t / 2,
    "nan": lambda t: math.nan,
    "worth nothing": lambda t: 1e-4 * math.exp(-2 * t),  # R² of 0.9999 and more
}


@pytest.mark.parametrize("name", FALLING)
def test_a_loss_that_falls(name: str) -> None:
    share = still_falling(curves(FALLING[name]), SCALE)
    assert share is not None
    assert 0.02 < share < 1


@pytest.mark.parametrize("name", DONE)
def test_a_loss_that_does_not(name: str) -> None:
    assert still_falling(curves(DONE[name]), SCALE) is None


def test_validation_decides_whether_longer_training_helps() -> None:
    falls, rises = FALLING["slowly exponential"], DONE["rising"]
    assert still_falling(curves(falls, val=falls), SCALE) is not None
    assert still_falling(curves(falls, val=rises), SCALE) is None
    assert still_falling(curves(falls, val=DONE["constant"]), SCALE) is None


@given(
    scale=st.floats(1e-30, 1e30),
    name=st.sampled_from([*FALLING, "constant", "at its limit", "swinging", "rising"]),
)
def test_units_do_not_matter(scale: float, name: str) -> None:
    found = curves((FALLING | DONE)[name])
    other = {"train/loss": [v * scale for v in found["train/loss"]]}
    expected = still_falling(found, SCALE)
    assert still_falling(other, {"train/loss": scale}) == (
        None if expected is None else pytest.approx(expected)
    )


@given(st.lists(st.floats(0, 1e308), max_size=40))
def test_any_curve_is_answered(losses: Sequence[float]) -> None:
    points = {"step": [float(i) for i in range(len(losses))], "train/loss": losses}
    share = still_falling(points, {})
    assert share is None or 0 < share <= 1


def test_a_baseline_of_zero_is_no_scale() -> None:
    """As of targets that are all 0: then the first loss is."""
    assert still_falling(curves(FALLING["a line"]), {"train/loss": 0.0}) is not None


@pytest.mark.parametrize(("overrides", "says"), [
    (("+experiment=sine", "engine=fused"), True),
    (("+experiment=sine", "trainer.max_epochs=0"), False),
    (("+experiment=moons", "engine=fused"), True),
    (("+experiment=temperature_linear", "trainer.max_epochs=200"), True),
    (("+experiment=temperature_linear", "engine=fused"), False),
    (("+experiment=proportional", "engine=fused"), False),  # 1e-11 of its scale
    (("+experiment=feature_sum", "engine=fused"), False),
    (("+experiment=optimal_lr",), False),
    (("+experiment=temperature_linear", "optimizer.lr=0.1"), False),  # diverges
])  # fmt: skip
def test_the_examples(
    overrides: tuple[str, ...], says: bool, finish: Callable[..., Finished]
) -> None:
    done = finish(*overrides)
    assert ("still falling" in done.text) == says
    if says:
        assert f"trainer.max_epochs={2 * done.run.max_epochs}" in done.text


def test_early_stopping(finish: Callable[..., Finished]) -> None:
    """Not where it stopped, nor where the best point is long past; else as without it."""
    done = finish("+experiment=sine", "engine=fused", "early_stop={patience: 50}")
    kept = done.result.steps
    assert len(end_notes(done.run, done.result, kept)) == 1
    assert end_notes(done.run, done.result, kept // 2) == []
    assert end_notes(done.run, replace(done.result, stopped_early=True), kept) == []
    for status in ("diverged", "interrupted", "stopped"):
        assert end_notes(done.run, replace(done.result, status=status), kept) == []


def test_a_sweep_does_not_say_it_of_each_run(sweep: Callable[..., Swept]) -> None:
    done = sweep("+experiment=sine", "seed=0,1", "logger=none")
    assert done.code == 0
    assert "still falling" not in done.text
