"""What TensorBoard shows of a single run, by its own reader."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import Finished

NAMES = ("hidden_linear.weight", "hidden_linear.bias", "output_linear.weight", "output_linear.bias")


@pytest.fixture
def two_runs(finish: Callable[..., Finished]) -> list[Finished]:
    base = ("+experiment=temperature_mlp", "trainer.max_epochs=50", "log_every=10")
    return [finish(*base, "logger=tensorboard", f"optimizer.lr={lr}") for lr in ("0.001", "0.0001")]


def read(directory: Path) -> EventAccumulator:
    assert len(list(directory.glob("events.out.*"))) == 1
    events = EventAccumulator(str(directory), size_guidance={"histograms": 0, "images": 0})
    events.Reload()
    return events


def test_events(two_runs: list[Finished]) -> None:
    done = two_runs[0]
    events = read(done.directory)
    tags: dict[str, Any] = events.Tags()
    best = {"train/loss (best)", "val/loss (best)"}
    assert set(tags["scalars"]) == {"train/loss", "val/loss"} | best
    for name in ("train/loss", "val/loss"):
        found = events.Scalars(name)
        assert [e.step for e in found] == done.result.curves["step"] == [0, 10, 20, 30, 40, 50]
        assert [e.value for e in found] == pytest.approx(done.result.curves[name])
    assert set(tags["histograms"]) == {
        *(f"view {k}/{n}" for k in ("parameters", "gradients") for n in NAMES),
        "view activations/hidden_linear", "view activations/hidden_activation",
    }  # fmt: skip
    last = events.Histograms("view parameters/hidden_linear.weight")[-1]
    weight = [row[0] for row in done.json()["parameters"]["hidden_linear.weight"]["values"]]
    value = last.histogram_value
    assert (last.step, value.num, value.min, value.max) == (
        50, 8, pytest.approx(min(weight)), pytest.approx(max(weight)),
    )  # fmt: skip
    assert sum(value.bucket) == 8
    assert set(tags["images"]) == {"view figures/fit", "view figures/loss"}
    slider = events.Images("view figures/fit")
    assert [e.step for e in slider] == [0, 10, 20, 30, 40, 50]
    image = slider[-1]
    assert image.encoded_image_string == (done.directory / "fit.png").read_bytes()
    assert "config/text_summary" in tags["tensors"]
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "max_epochs: 50" in text


@pytest.mark.more
def test_the_slider_has_ten_moments(finish: Callable[..., Finished]) -> None:
    for more in (("+experiment=sine", "trainer.max_epochs=60"),
                 ("+experiment=circles", "trainer.max_epochs=60")):  # fmt: skip
        events = read(finish(*more, "logger=tensorboard").directory)
        steps = [e.step for e in events.Images("view figures/fit")]
        assert len(steps) == 10
        assert (steps[0], steps[-1]) == (0, 60)
        gaps = [b - a for a, b in pairwise(steps)]
        assert gaps[0] < gaps[-1]  # early change is seen
    # Where nothing could move there is the one picture of the end.
    done = finish("+experiment=feature_sum", "trainer.max_epochs=60", "logger=tensorboard")
    assert [e.step for e in read(done.directory).Images("view figures/fit")] == [60]


def test_activations_are_those_of_the_training_rows(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=sine", "trainer.max_epochs=10", "logger=tensorboard")
    net, train = done.run.net, done.run.data.train
    with torch.no_grad():
        hidden = net[1](net[0](train.input[:1000]))  # type: ignore[index]
    last = read(done.directory).Histograms("view activations/hidden_activation")[-1]
    value = last.histogram_value
    assert (last.step, value.num) == (10, 5000)
    assert [value.min, value.max] == pytest.approx([hidden.min().item(), hidden.max().item()])
    assert not [t for t in read(done.directory).Tags()["histograms"]  # type: ignore[union-attr]
                if t.startswith("view activations/output")]  # fmt: skip


def test_histograms_of_one_number_and_of_equal_ones(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=proportional", "trainer.max_epochs=2", "logger=tensorboard",
                  "model.init=zeros")  # fmt: skip
    found = read(done.directory).Histograms("view parameters/output_linear.bias")[0].histogram_value
    assert (found.num, sum(found.bucket)) == (1, 1)


def test_a_diverged_run_is_readable(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=temperature_linear", "optimizer.lr=0.1", "logger=tensorboard")
    values = [e.value for e in read(done.directory).Scalars("train/loss")]
    assert all(value == value and abs(value) != float("inf") for value in values)


def test_metrics_of_an_untrained_run_are_scalars(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=losses", "logger=tensorboard")
    tags: dict[str, Any] = read(done.directory).Tags()
    more = {f"view numbers/{name}" for name in ("mse", "bce", "cross_entropy")}
    assert {*more, "train/loss"} <= set(tags["scalars"])
