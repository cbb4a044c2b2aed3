"""What must come out of the examples that are not trained."""

import math
from typing import Any

import pytest
import torch

from tests.conftest import Finished


def outputs(found: dict[str, Any]) -> list[float]:
    return [value for row in found["predictions"] for value in row["prediction"]]


def values(found: dict[str, Any], name: str) -> torch.Tensor:
    return torch.tensor(found["parameters"][name]["values"])


def shapes(found: dict[str, Any]) -> list[tuple[int, ...]]:
    return [tuple(p["shape"]) for p in found["parameters"].values()]


def weighted_sum(found: dict[str, Any], _: Finished) -> None:
    w, b = values(found, "weighted_sum.w"), values(found, "weighted_sum.b")
    by_hand = max(0.0, 1 * w[0].item() + 2 * w[1].item() + 3 * w[2].item() + b.item())
    assert outputs(found) == pytest.approx([by_hand], abs=1e-6)
    torch.manual_seed(42)
    assert torch.equal(w, 0.1 * torch.randn(3))


def single_neuron(found: dict[str, Any], done: Finished) -> None:
    w, b = values(found, "output_linear.weight")[0], values(found, "output_linear.bias")
    before = (w @ torch.tensor([1.0, 2.0, 3.0]) + b).item()
    assert outputs(found) == pytest.approx([max(before, 0.0)])
    assert f"{before:.4f}" in done.text


def linear_layers(found: dict[str, Any], done: Finished) -> None:
    x = torch.tensor([row["input"] for row in found["predictions"]])
    y = torch.tensor([row["prediction"] for row in found["predictions"]])
    assert x.shape == (5, 11)
    for number, (take, give) in enumerate(
        ((slice(0, 3), slice(0, 1)), (slice(3, 6), slice(1, 6)), (slice(6, 11), slice(6, 16))), 1
    ):
        w, b = values(found, f"linear{number}.weight"), values(found, f"linear{number}.bias")
        by_hand = [[sum(w[j] * row) + b[j] for j in range(len(b))] for row in x[:, take]]
        torch.testing.assert_close(y[:, give], torch.tensor(by_hand))
    assert all(shape in done.text for shape in ("(5, 1)", "(5, 5)", "(5, 10)"))


def neuron_by_hand(found: dict[str, Any], _: Finished) -> None:
    assert outputs(found) == [8.0]


def weather(found: dict[str, Any], done: Finished) -> None:
    (value,) = outputs(found)
    assert value >= 0
    assert f"{value:.4f} F" in done.text


def spam(found: dict[str, Any], done: Finished) -> None:
    (probability,) = outputs(found)
    assert 0 < probability < 1
    assert ("Not Spam" in done.text.partition("answer")[2]) == (probability <= 0.5)
    assert "Spam" in done.text.partition("answer")[2]


def losses(found: dict[str, Any], _: Finished) -> None:
    metrics = found["metrics"]
    assert metrics["mse"] == pytest.approx((1 - math.exp(-metrics["bce"])) ** 2, rel=1e-6)
    assert metrics["cross_entropy"] == 0


def one_hot_target(found: dict[str, Any], _: Finished) -> None:
    assert len(outputs(found)) == 3
    by_hand = sum((y - t) ** 2 for y, t in zip(outputs(found), (0, 0, 1), strict=True)) / 3
    assert found["metrics"]["train/loss"] == pytest.approx(by_hand)


def sigmoid_net(found: dict[str, Any], _: Finished) -> None:
    assert all(0 < y < 1 for y in outputs(found))
    assert next(iter(found["parameters"])) == "linear1.weight"
    assert shapes(found) == [(3, 2), (3,), (2, 3), (2,)]


def relu_net(found: dict[str, Any], done: Finished) -> None:
    assert len(outputs(found)) == 2
    assert all(text in done.text for text in ("Linear(3, 20)", "ReLU", "Linear(20, 2)"))


def feedforward(found: dict[str, Any], _: Finished) -> None:
    assert [round(y, 4) for y in outputs(found)] == [0.2195, 0.0326]
