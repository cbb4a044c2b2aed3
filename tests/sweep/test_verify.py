"""A sweep is compared with single runs, and a difference is loud."""

import re
import shutil
from typing import Any

import pytest

from small_nets.sweep.results import verify
from tests.sweep.swept import MLP, Sweep


class TestVerify:
    @pytest.mark.slow
    @pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here")
    def test_of_a_compiled_sweep(self, sweep: Sweep) -> None:
        done = sweep(
            *MLP, "optimizer=sgd,adam", "seed=range(3)", "engine=stacked", "sweep.compile=true",
            "sweep.verify=4",
        )  # fmt: skip
        assert done.code == 0
        assert set(done.table["engine"]) == {"stacked, compiled"}
        assert len(re.findall(r"completed +\S+e-\d+ +\S+e-\d+ .*equal", done.text)) == 4

    def test_prints_differences_and_bounds(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "seed=range(4)", "sweep.verify=2")
        assert "2 runs, drawn at random, trained again, alone and through Lightning" in done.text
        assert len(re.findall(r"completed +\S+e-\d+ +1\.0e-05 +equal", done.text)) == 2
        assert done.code == 0

    def test_of_runs_that_halving_stopped(self, sweep: Sweep) -> None:
        """Trained alone up to there, by the schedule of the whole run."""
        done = sweep(
            *MLP, "trainer.max_epochs=30", "optimizer.lr=0.001,0.01", "seed=0,1",
            "scheduler=cosine", "log_every=4", "early_stop={patience: 20}",
            "sweep.halving={factor: 2, first: 10}", "sweep.verify=4",
        )  # fmt: skip
        assert done.code == 0
        assert sorted(done.table["epochs"]) == [10, 10, 30, 30]
        assert not (done.store.directory / "paused").exists()  # of a rung alone
        for status in ("stopped", "completed"):
            assert len(re.findall(rf"{status} +\S+e\S\d+ +1\.0e-05 +equal", done.text)) == 2

    def test_fails_loudly(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        sweep(*MLP, "seed=range(4)")
        real = verify.alone

        def other(settings: dict[str, Any], *more: Any) -> Any:
            return real(settings | {"trainer": settings["trainer"] | {"max_epochs": 41}}, *more)

        monkeypatch.setattr(verify, "alone", other)
        done = sweep(*MLP, "seed=range(4)", "sweep.verify=1")
        assert done.code == 1
        assert "DIFFERENT" in done.text
        assert "Do not trust this sweep" in done.text
