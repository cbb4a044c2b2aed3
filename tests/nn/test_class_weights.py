"""Class weights: by torch and scikit-learn's formula alone, and in both engines as in one run."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from small_nets.config.errors import InputError
from small_nets.engines.fused.train import train as train_fused
from small_nets.engines.stacked.train import train as train_stacked
from small_nets.nn import losses
from small_nets.nn.class_weights import class_weights, row_weights, with_weights
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.evaluate import baseline
from small_nets.sweep.cohorts.start import start
from small_nets.sweep.results.verify import BOUNDS, check, distance
from tests.conftest import Swept, plain_run

CE, BCE = "loss=cross_entropy", ("loss=bce", "model.output_activation=sigmoid")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety rows of three classes, of which one is common and one is rare."""
    rng = np.random.default_rng(3)
    kind = np.repeat([0, 1, 2], [60, 22, 8])
    x = rng.normal(size=(90, 2)) + 1.2 * np.stack([kind == 1, kind == 2], 1)
    names = np.array(["common", "rarer", "rare"])[kind]
    two = np.where(kind == 0, "no", "yes")
    path = tmp_path_factory.mktemp("weights") / "rare.csv"
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": names, "two": two}).write_csv(path)
    return path


def overrides(table: Path, *more: str) -> list[str]:
    target = "two" if any(o.startswith("loss=bce") for o in more) else "kind"
    return [
        *("data=table", f"data.path={table}", "data.inputs=[a,b]", f"data.target={target}"),
        *("model.width=5", "model.activation=tanh", "optimizer=adam", "optimizer.lr=0.02"),
        *("trainer.max_epochs=12", *more),
    ]


@cache
def composed(table: Path, *more: str) -> dict[str, Any]:
    return compose_settings(*overrides(table, *more), "logger=none")[0]


def seeds(config: dict[str, Any], *numbers: int) -> list[dict[str, Any]]:
    return [config | {"seed": s, "data": config["data"] | {"split_seed": s}} for s in numbers]


def test_the_losses_are_torchs() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.tensor([0.3, 2.0, 5.0], dtype=torch.float64)
    z = torch.randn(40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    places = torch.randint(3, (40,), generator=generator)
    target = torch.eye(3, dtype=torch.float64)[places]
    p = torch.sigmoid(z[:, :1])
    y = (places[:, None] == 2).double()
    rows = row_weights(y, weights[:2])
    wanted = {
        "cross_entropy": F.cross_entropy(z, places, weight=weights),
        "bce": F.binary_cross_entropy(p, y, weight=rows[:, None]),
    }
    assert rows.tolist() == [2.0 if place == 2 else 0.3 for place in places]
    for name, expected in wanted.items():
        gradient = torch.autograd.grad(expected, z, retain_graph=True)[0]
        given, truth, of = (z, target, weights) if name == "cross_entropy" else (p, y, weights[:2])
        for written in (name, f"{name}_by_hand"):
            loss = getattr(losses, written)
            target = with_weights(truth, of)
            for value in (
                replace(loss, weights=of)(given, truth),
                loss(given, target[:, :-1], target[:, -1]),
            ):
                torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
                found = torch.autograd.grad(value, z, retain_graph=True)[0]
                torch.testing.assert_close(found, gradient, rtol=1e-10, atol=1e-15)


def test_balanced_is_scikit_learns_formula(table: Path) -> None:
    run = build(composed(table, CE, "loss.class_weight=balanced"))
    target = run.data.train.target
    assert target is not None
    assert run.loss.weights is not None
    counts = target.sum(dim=0).double()
    torch.testing.assert_close(run.loss.weights, len(target) / (3 * counts))
    # The classes weigh the same together, and a row 1 on average.
    assert (run.loss.weights * counts).tolist() == pytest.approx([24, 24, 24])
    binary = build(composed(table, *BCE, "loss.class_weight=balanced"))
    assert binary.loss.weights is not None
    assert binary.data.train.target is not None
    ones = binary.data.train.target.sum().item()
    assert binary.loss.weights.tolist() == pytest.approx([72 / 2 / (72 - ones), 72 / 2 / ones])
    # The constant predictor of two balanced classes knows nothing.
    assert baseline(binary.loss, binary.data)["train/loss"] == pytest.approx(np.log(2), rel=1e-6)
    assert baseline(run.loss, run.data)["train/loss"] == pytest.approx(np.log(3), rel=1e-6)


@pytest.mark.parametrize(("setting", "outputs", "words"), [
    ([1.0, 2.0], 3, ("length 2", "3 classes: a, b, c")),
    ([1.0, 2.0, 3.0], 1, ("length 3", "2 classes")),
    ("balanced", 3, ("the class 'c' has no row", "data.stratify=true")),
])  # fmt: skip
def test_weights_that_cannot_be(setting: Any, outputs: int, words: tuple[str, ...]) -> None:
    target = torch.zeros(6, outputs)
    target[:3, 0] = 1
    if outputs > 1:
        target[3:, 1] = 1
    with pytest.raises(InputError) as caught:
        class_weights(setting, target.double().mean(dim=0), ["a", "b", "c"][: max(outputs, 2)])
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("more", "words"), [
    (("loss=mse", "loss.class_weight=balanced"), ("class_weight does not exist", "loss=bce|")),
    ((CE, "loss.class_weight=even"), ("class_weight=even is not allowed", "balanced")),
    ((CE, "loss.class_weight=[1,0,2]"), ("[1,0,2] is not allowed", "0.000001")),
    ((CE, "loss.class_weight=[1,-1,2]"), ("[1,-1,2] is not allowed",)),
    ((CE, "loss.class_weight=[1,2]"), ("length 2", "common, rare, rarer")),
])  # fmt: skip
def test_what_is_refused(table: Path, more: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        build(compose_settings(*overrides(table, *more))[0])
    assert all(word in str(caught.value) for word in words), str(caught.value)


ENGINES = {"stacked": train_stacked, "fused": train_fused}
CASES = [
    (CE, "loss.class_weight=balanced"),
    (CE, "loss.class_weight=[0.5,7,2]", "data.batch_size=16"),
    (
        "loss=cross_entropy_by_hand",
        "loss.class_weight=balanced",
        "data.batch_size=40",
        "metrics=[cross_entropy]",
    ),
    (*BCE, "loss.class_weight=balanced"),
    (*BCE, "loss.class_weight=[0.25,3]", "data.batch_size=33"),
    ("loss=bce_by_hand", BCE[1], "loss.class_weight=balanced", "data.batch_size=10"),
]


@pytest.mark.every(3)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("more", CASES)
def test_a_sweep_is_as_single_runs(engine: str, more: tuple[str, ...], table: Path) -> None:
    configs = seeds(composed(table, *more, "precision=64"), *range(4))
    started = start(configs)
    assert started.cohort is not None
    trained = ENGINES[engine](started.cohort)
    for i in (0, 2):
        ending, net = plain_run(configs[i])
        found = {name: values[i] for name, values in trained.parameters.items()}
        assert distance(found, net) <= BOUNDS[64]
        curve = trained.curve(i)
        for name, values in ending.curves.items():
            assert curve[name] == pytest.approx(values, rel=1e-7, abs=1e-10)
    # Alone and in company to the bit.
    alone = start(configs[3:4]).cohort
    assert alone is not None
    one = ENGINES[engine](alone)
    for name, values in one.parameters.items():
        assert torch.equal(values[0], trained.parameters[name][3])
    for name, values in one.curves.items():
        assert torch.equal(values[:, 0], trained.curves[name][:, 3])


@pytest.mark.parametrize("engine", ENGINES)
def test_in_float32(engine: str, table: Path) -> None:
    config = composed(table, CE, "loss.class_weight=balanced", "data.batch_size=16")
    started = start([config])
    assert started.cohort is not None
    trained = ENGINES[engine](started.cohort)
    found = check(config, "completed", {n: v[0] for n, v in trained.parameters.items()})
    assert found.holds, found


def test_a_rare_class_is_found(table: Path) -> None:
    config = composed(table, CE, "loss.class_weight=balanced")
    config = config | {"trainer": config["trainer"] | {"max_epochs": 150}}

    def recall(setting: str | None) -> float:
        chosen = config | {"loss": config["loss"] | {"class_weight": setting}}
        cohort = start([chosen]).cohort
        assert cohort is not None
        found = train_fused(cohort).parameters
        with torch.no_grad():
            named = {n: v[0] for n, v in found.items()}
            answers = functional_call(cohort.net, named, (cohort.train.input[0],)).argmax(dim=1)
        truth = cohort.targets(cohort.train)[0].argmax(dim=1)
        return (answers[truth == 1] == 1).double().mean().item()  # "rare", the second by name

    assert recall("balanced") > recall(None) + 0.2


def test_weights_of_many_kinds_in_one_sweep(table: Path, sweep: Callable[..., Swept]) -> None:
    given = ["null", "balanced", "[1,2,3]", "[1.0,2.0,4.0]"]
    done = sweep(
        *overrides(table, CE), f"loss.class_weight={','.join(given)}", "seed=range(3)",
    )  # fmt: skip
    assert done.table["status"].to_list() == ["completed"] * 12
    # None goes alone: those with weights, whichever they are, are one cohort.
    assert set(done.table["engine"]) <= {"fused", "stacked"}


def test_a_class_without_a_row_fails_alone(tmp_path: Path, sweep: Callable[..., Swept]) -> None:
    path = tmp_path / "lone.csv"
    kinds = ["a"] * 12 + ["b"] * 12 + ["c"]
    pl.DataFrame({"x": range(25), "kind": kinds}).write_csv(path)
    done = sweep(
        *("data=table", f"data.path={path}", "data.inputs=[x]", "data.target=kind", CE),
        *("trainer.max_epochs=2", "loss.class_weight=balanced", "seed=range(12)"),
    )
    failed = done.table.filter(status="failed")
    assert 0 < len(failed) < 12
    assert all("the class 'c' has no row" in text for text in failed["message"])
