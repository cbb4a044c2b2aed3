"""Figures of the examples that other widths and other seeds give."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.conftest import Finished


def values(found: dict[str, Any], name: str) -> torch.Tensor:
    return torch.tensor(found["parameters"][name]["values"])


def test_the_sine_net_starts_where_it_must(finish: Callable[..., Finished]) -> None:
    found = finish("+experiment=sine", "seed=10", "trainer.max_epochs=0").json()
    start = {name: [round(v, 4) for v in values(found, name).flatten().tolist()]
             for name in found["parameters"]}  # fmt: skip
    assert start == {
        "hidden_linear.weight": [-0.0838, -0.0343, -0.3750, 0.2300, -0.5721],
        "hidden_linear.bias": [-0.1763, 0.3876, 0.9386, 0.2356, -0.3393],
        "output_linear.weight": [0.0429, -0.0501, 0.1825, 0.0512, 0.1752],
        "output_linear.bias": [0.4337],
    }


@pytest.mark.every(3)
@pytest.mark.parametrize(("width", "most"), [("5", 0.0205), ("10", 0.0204), ("[5,5]", 0.0198)])
def test_sine_on_all_points(width: str, most: float, finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=sine", "data.val_fraction=0", f"model.width={width}")
    assert 0.00004 <= done.result.metrics["train/loss"] <= most
    assert "val/loss" not in done.result.metrics


@pytest.mark.parametrize("seed", [6, 26, 48])
def test_and_gate_tensors_can_end_in_a_nan(seed: int, finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=and_gate_tensors", f"seed={seed}", "trainer.max_epochs=300")
    assert done.result.status == "diverged"


def test_xor_with_a_hidden_layer(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=xor", "model.width=4")
    assert done.result.metrics["train/accuracy"] == 1


def test_feature_sum_and_line_over_seeds(finish: Callable[..., Finished]) -> None:
    for seed in range(3):
        for name, least, most in (("feature_sum", 0, 1.5), ("line_by_hand", 0.003, 2.3)):
            done = finish(f"+experiment={name}", f"seed={seed}", "engine=fused")
            assert least <= done.result.metrics["train/loss"] <= most
