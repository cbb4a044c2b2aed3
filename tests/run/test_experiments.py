"""Every file in conf/experiment is run on its real data, at its full length, and must come out.

The figures are those that the examples were published with, or their range over seeds.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from small_nets.config import conf_files, defaults_lists
from tests.conftest import Finished
from tests.run import forward_passes
from tests.run.forward_passes import outputs, shapes, values

KEYS = {
    *("experiment", "seed", "status", "epochs", "steps", "metrics", "baseline", "predictions"),
    *("parameters", "curves", "config", "run_id", "seconds", "versions", "git"),
    *("kept", "stopped_early", "digest"),
}
Checks = dict[str, Callable[[dict[str, Any], Finished], None]]


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


def saddle(found: dict[str, Any], done: Finished) -> None:
    u, v = 1.0, 0.0001  # gradient descent on u²/2 - v²/2 + v⁴/4, by hand
    losses = []
    for _ in range(300):
        losses.append(u * u / 2 + (v * v - 1) ** 2 / 4)
        u, v = u - 0.05 * u, v - 0.05 * (v**3 - v)
    assert found["curves"]["train/loss"][:300] == pytest.approx(losses, rel=1e-3, abs=1e-6)
    assert [p["values"] for p in found["parameters"].values()] == pytest.approx([u, v], abs=1e-4)
    # It lingers: the loss stays that of the saddle for more than 100 of 300 steps.
    assert sum(abs(loss - 0.25) < 0.01 for loss in losses) > 100
    assert (done.directory / "surface.png").exists() == (done.run.pictures == "all")


def one_sample(found: dict[str, Any], _: Finished) -> None:
    losses = found["curves"]["train/loss"]
    assert len(losses) == 11
    for before, after in pairwise(losses):
        assert after / before == pytest.approx(0.64, rel=1e-4)


CHECKS: Checks = {
    name: globals().get(name) or getattr(forward_passes, name) for name in conf_files.experiments()
}


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
