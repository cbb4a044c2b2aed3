"""The plan of a sweep: its parts, its memory, what trains alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from polars.testing import assert_frame_equal

from small_nets.config.component_facts import NEEDED, Optimizer
from small_nets.config.components import OPTIMIZERS
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.jobs.plan import make_plan
from tests.sweep.swept import MLP, Sweep, numbers


class TestPlan:
    def test_parts_of_several_sizes_at_once(self, sweep: Sweep) -> None:
        """Nothing is traced while other parts train: tracing patches torch for all threads."""
        done = sweep(
            "+experiment=temperature_mlp", "trainer.max_epochs=2", "sweep.directories=0",
            "model.width=[33,17],[34,17],[35,17]", "seed=range(150)", "data.batch_size=4",
        )  # fmt: skip
        assert done.table["status"].unique().to_list() == ["completed"]
        assert torch.nn.Module.__call__.__qualname__ == "Module._wrapped_call_impl"

    def test_dry_run_writes_nothing(self, sweep: Sweep, tmp_path: Path) -> None:
        done = sweep(*MLP, "optimizer=sgd,adam", "seed=range(5)", "sweep.dry_run=true", to="dry")
        assert "10 runs to train" in done.text
        assert re.search(r"optimizer=sgd +5 +1 +40 +fused", done.text)
        assert not (tmp_path / "dry").exists()

    def test_memory_cuts_parts(self, sweep: Sweep) -> None:
        small = sweep(*MLP, "seed=range(200)", "sweep.memory=1MiB", "sweep.directories=0", to="a")
        large = sweep(*MLP, "seed=range(200)", "sweep.directories=0", to="b")
        assert len(small.store.parts()) > len(large.store.parts())
        assert_frame_equal(numbers(small.table), numbers(large.table))

    def test_what_varies_inside_a_cohort(self, sweep: Sweep) -> None:
        text = sweep(
            *MLP, "optimizer=adam", "optimizer.lr=0.1,0.2", "optimizer.eps=1e-8,1e-6", "seed=1,2",
            "data.normalize_input=none,constant:0.1", "model.init=default,zeros",
            "trainer.gradient_clip_val=1,2", "sweep.dry_run=true",
        ).text  # fmt: skip
        assert re.search(r"all +64 +\d+ +40 +fused", text)

    def test_an_optimizer_without_a_rule_goes_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rprop = Optimizer("torch.optim.Rprop", {"lr": NEEDED}, rule=None)
        monkeypatch.setitem(OPTIMIZERS, "rprop", rprop)

        class Job:
            error, run_id, identity, overrides = None, "x", "x", ("a=1",)

            def settings(self) -> dict[str, Any]:
                found = compose_settings(*MLP)[0]
                return found | {"optimizer": {"_target_": "rprop", "lr": 0.1}}

        plan = make_plan([Job()])  # type: ignore[list-item]
        assert "torch.optim.Rprop has no update rule" in plan.alone[0][1]
