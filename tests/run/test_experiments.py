"""Every file in conf/experiment is run on its real data, at its full length, and must come out.

The figures are those that the examples were published with, or their range over seeds.
"""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from small_nets.config import conf_files, defaults_lists
from tests.conftest import Finished

KEYS = {
    *("experiment", "seed", "status", "epochs", "steps", "metrics", "baseline", "predictions"),
    *("parameters", "curves", "config", "run_id", "seconds", "versions", "git"),
    *("kept", "stopped_early", "digest"),
}
Checks = dict[str, Callable[[dict[str, Any], Finished], None]]


def outputs(found: dict[str, Any]) -> list[float]:
    return [value for row in found["predictions"] for value in row["prediction"]]


def values(found: dict[str, Any], name: str) -> torch.Tensor:
    return torch.tensor(found["parameters"][name]["values"])


def shapes(found: dict[str, Any]) -> list[tuple[int, ...]]:
    return [tuple(p["shape"]) for p in found["parameters"].values()]


def at(found: dict[str, Any], step: int) -> float:
    return found["curves"]["train/loss"][found["curves"]["step"].index(step)]


def temperature_linear(found: dict[str, Any], done: Finished) -> None:
    train = done.run.data.train
    ones = torch.ones(9, 1)
    assert train.target is not None
    solution = torch.linalg.lstsq(torch.cat([train.input, ones], 1), train.target).solution
    best = ((torch.cat([train.input, ones], 1) @ solution - train.target) ** 2).mean().item()
    assert best <= found["metrics"]["train/loss"] <= best + 0.2
    assert 1.85 <= found["metrics"]["train/loss"] <= 3.35
    assert 4.7 <= values(found, "output_linear.weight").item() <= 5.9
    assert -20.4 <= values(found, "output_linear.bias").item() <= -14.6
    # The Hessian of a mean of squares is 2/n XᵀX, by hand.
    x = torch.cat([train.input, ones], 1).double()
    eigenvalues = torch.linalg.eigvalsh(2 / 9 * x.T @ x)
    low, high = (found["metrics"][f"hessian/lambda_{end}"] for end in ("min", "max"))
    assert [low, high] == pytest.approx(eigenvalues.tolist(), rel=1e-6)
    assert found["metrics"]["hessian/optimal_lr"] == pytest.approx(2 / (low + high))
    assert done.text.count("epoch    ") == 4  # of epoch 0, and every 1000 epochs


def temperature_mlp(found: dict[str, Any], done: Finished) -> None:
    assert 0.9 <= found["metrics"]["train/loss"] <= 3.4
    assert shapes(found) == [(8, 1), (8,), (1, 8), (1,)]
    names = [name for name, _ in done.run.net.named_children()]
    assert names == ["hidden_linear", "hidden_activation", "output_linear"]
    assert len(found["predictions"]) == 2
    gradient = torch.tensor(found["parameters"]["hidden_linear.weight"]["gradient"])
    assert gradient.shape == (8, 1)
    assert gradient.abs().max() > 0


def temperature_wide(found: dict[str, Any], _: Finished) -> None:
    assert 6.5 <= found["metrics"]["train/loss"] <= 19


def sine(found: dict[str, Any], done: Finished) -> None:
    assert found["metrics"]["train/loss"] < 0.0205
    assert "val/loss" in found["metrics"]
    assert len(found["predictions"]) == 600


def and_gate_by_hand(found: dict[str, Any], _: Finished) -> None:
    assert outputs(found) == [1, 0, 0, 0]
    assert found["metrics"]["train/accuracy"] == 1


def or_gate_by_hand(found: dict[str, Any], _: Finished) -> None:
    assert outputs(found) == [1, 1, 1, 0]
    assert found["metrics"]["train/accuracy"] == 1


def and_gate(found: dict[str, Any], _: Finished) -> None:
    assert at(found, 9000) <= 1.2e-4
    assert [round(y, 3) for y in outputs(found)] == [1, 0, 0, 0]


def and_gate_tensors(found: dict[str, Any], _: Finished) -> None:
    assert found["steps"] == 40004
    assert 2.3e-5 <= found["metrics"]["train/loss"] <= 4.3e-5
    first, *others = outputs(found)
    assert first > 0.9998
    assert max(others) < 2e-4


def xor(found: dict[str, Any], _: Finished) -> None:
    assert found["metrics"]["train/accuracy"] <= 0.75


def circles(found: dict[str, Any], _: Finished) -> None:
    # Over 20 seeds: 0.981 to 1 and 0.95 to 1, loss 0.014 to 0.081.
    assert found["metrics"]["train/accuracy"] >= 0.97
    assert found["metrics"]["val/accuracy"] >= 0.95
    assert found["metrics"]["train/loss"] < 0.1


def moons(found: dict[str, Any], _: Finished) -> None:
    # Over 20 seeds: 0.997 to 1 and 0.988 to 1, loss 0.003 to 0.017.
    assert found["metrics"]["train/accuracy"] >= 0.97
    assert found["metrics"]["val/accuracy"] >= 0.97
    assert found["metrics"]["train/loss"] < 0.02


def spirals(found: dict[str, Any], done: Finished) -> None:
    # Over 100 seeds: 0.9979 to 1 and 0.975 to 1, loss 0.0027 to 0.0096.
    assert found["metrics"]["train/accuracy"] >= 0.99
    assert found["metrics"]["val/accuracy"] >= 0.95
    assert found["metrics"]["train/loss"] < 0.02
    assert len(found["predictions"][0]["target"]) == 3
    assert done.run.data.table.task == "classes"


def dying_relu(found: dict[str, Any], _: Finished) -> None:
    # As 961 of the first 1,000 seeds end: with the mean of |x|, and its variance for a loss.
    assert found["metrics"]["train/loss"] == pytest.approx(0.2512, abs=2e-4)
    assert outputs(found) == pytest.approx([3**0.5 / 2 * 400 / 399] * 400, rel=1e-4)


def proportional(found: dict[str, Any], done: Finished) -> None:
    assert f"{outputs(found)[0]:.4f}" == "20.0000"
    assert found["predictions"][0]["input"] == [10.0]
    assert found["predictions"][0]["target"] is None
    assert "20.0000" in done.text


def line_by_hand(found: dict[str, Any], _: Finished) -> None:
    assert 0.003 <= found["metrics"]["train/loss"] <= 2.3
    assert outputs(found) == pytest.approx([15, 25, 35, 45, 55, 65], abs=3)


def feature_sum(found: dict[str, Any], _: Finished) -> None:
    assert found["metrics"]["train/loss"] < 1.5
    assert outputs(found) == pytest.approx([6, 4.5, 33, 306, 6.63], abs=2)


def optimal_lr(found: dict[str, Any], done: Finished) -> None:
    metrics = found["metrics"]
    assert [metrics[f"hessian/lambda_{end}"] for end in ("min", "max")] == pytest.approx([1, 9])
    assert metrics["hessian/optimal_lr"] == pytest.approx(0.2)
    expected = {"0.25": 0.95, "0.5": 0.9, "0.75": 0.85, "1": 0.8}  # max(|1 - η|, |1 - 9 η|)
    for multiple, rate in expected.items():
        assert metrics[f"contraction/{multiple}"] == pytest.approx(rate)
        assert metrics[f"measured/{multiple}"] == pytest.approx(rate, rel=1e-3)
    assert metrics["measured/1.17"] > 1
    assert "diverges" in done.text
    assert (done.directory / "optimal_lr.png").exists()


def one_sample(found: dict[str, Any], _: Finished) -> None:
    losses = found["curves"]["train/loss"]
    assert len(losses) == 11
    for before, after in pairwise(losses):
        assert after / before == pytest.approx(0.64, rel=1e-4)


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


CHECKS: Checks = {name: globals()[name] for name in conf_files.experiments()}


# These take thousands of steps by Lightning, up to a minute: by default they come out of a kernel.
LONG = ("and_gate", "and_gate_tensors", "proportional", "temperature_wide")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
    for name in CHECKS
])  # fmt: skip
def test_it_comes_out(name: str, finish: Callable[..., Finished]) -> None:
    done = finish(f"+experiment={name}", "pictures=few")
    found = json.loads((done.directory / "result.json").read_text(), parse_constant=pytest.fail)
    assert set(found) == KEYS
    assert found["experiment"] == name
    assert found["status"] == "completed"
    assert found["epochs"] == found["config"]["trainer"]["max_epochs"]
    assert {len(values) for values in found["curves"].values()} == {len(found["curves"]["step"])}
    for picture in ("fit.png", "loss.png") if found["epochs"] else ("fit.png",):
        assert (done.directory / picture).stat().st_size > 1000
    CHECKS[name](found, done)


FUSED = (
    *LONG,
    "circles",
    "dying_relu",
    "line_by_hand",
    "moons",
    "one_sample",
    "sine",
    "spirals",
    "xor",
)


@pytest.mark.every(2)
@pytest.mark.parametrize("name", FUSED)
def test_it_comes_out_of_a_kernel(name: str, finish: Callable[..., Finished]) -> None:
    done = finish(f"+experiment={name}", "engine=fused")
    assert done.result.status == "completed"
    CHECKS[name](json.loads((done.directory / "result.json").read_text()), done)


def test_each_file_names_itself_in_about_ten_lines() -> None:
    for name, description in conf_files.experiments().items():
        path = conf_files.CONF / "experiment" / f"{name}.yaml"
        assert defaults_lists.experiment(name)["name"] == name
        assert 10 < len(description) < 100
        assert len(path.read_text().splitlines()) <= 25, name
