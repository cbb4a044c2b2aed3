"""What a verification says of a run: equal, different, or that nothing was tested."""

import math
from collections.abc import Callable

import pytest

import small_nets.sweep.results.verify as verification
from small_nets.sweep.results.verify import Check
from tests.conftest import Swept

DONE = ("completed", "completed")


@pytest.mark.parametrize(
    ("check", "verdict", "told"),
    [
        (Check(0.0, 1e-5, None, DONE), "equal", True),
        (Check(1e-3, 0.02, 0.002, DONE), "equal, as far as rounding allows", True),
        (Check(0.01, 0.1, 0.01, DONE), "equal, as far as rounding allows", True),
        (Check(0.4, 9.0, 0.9, DONE),
         "cannot be told: rounding alone moves this run by 0.9", False),
        (Check(0.04, 0.11, 0.011, DONE),
         "cannot be told: rounding alone moves this run by 0.01", False),
        (Check(math.inf, math.inf, math.inf, ("diverged", "completed")),
         "cannot be told: an ulp decides how this run ends", False),
        (Check(0.4, 0.2, 0.02, DONE), "DIFFERENT", True),  # more than rounding explains
        (Check(0.4, 1e-5, 0.0, DONE), "DIFFERENT", True),
    ],
)  # fmt: skip
def test_a_verdict(check: Check, verdict: str, told: bool) -> None:
    assert (check.verdict, check.is_told) == (verdict, told)


@pytest.mark.parametrize(
    ("checks", "words", "code"),
    [
        ([Check(0.0, 1e-5, None, DONE), Check(0.4, 9.0, 0.9, DONE)],
         "1 of 2 runs equal, 1 cannot be told: there the bound is above 0.1", 0),
        ([Check(0.4, 9.0, 0.9, DONE)] * 2, "0 of 2 runs equal, 2 cannot be told", 0),
        ([Check(0.4, 9.0, 0.9, DONE), Check(0.4, 1e-5, 0.0, DONE)], "Do not trust this sweep", 1),
    ],
)  # fmt: skip
def test_the_sum(
    checks: list[Check], words: str, code: int, sweep: Callable[..., Swept],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    each = iter(checks)
    monkeypatch.setattr(verification, "check", lambda *_, **__: next(each))
    done = sweep("+experiment=temperature_mlp", "trainer.max_epochs=2", "logger=none", "seed=1,2",
                 "sweep.verify=2", "sweep.directories=0")  # fmt: skip
    assert words in " ".join(done.text.split())
    assert done.code == code
