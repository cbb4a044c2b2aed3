"""A single run: the same numbers again, every choice, how it diverges, what it logs."""

import json
from collections.abc import Callable
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from small_nets.run.build.build import build_data
from small_nets.run.build.compose import compose_settings
from small_nets.run.lightning.datamodule import ExampleData
from small_nets.run.lightning.module import Example
from small_nets.run.outputs.identity import run_id
from tests.conftest import Finished
from tests.run.runs import SAME, SHORT

OPTIMIZERS = [
    *("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "sgd_by_hand"),
    *("momentum_by_hand", "adagrad_by_hand", "rmsprop_by_hand", "adam_by_hand"),
]


@pytest.mark.parametrize("seed", [0, 5])
def test_the_same_seed_gives_the_same_bytes(seed: int, finish: Callable[..., Finished]) -> None:
    torch.manual_seed(99)  # whatever came before must not matter
    runs = [finish(*SHORT, f"seed={seed}", "data.batch_size=4").json() for _ in range(2)]
    a, b = (json.dumps({key: run[key] for key in SAME}) for run in runs)
    assert a == b
    assert runs[0]["run_id"] == runs[1]["run_id"]


def test_seeds_differ_and_zero_is_one(finish: Callable[..., Finished]) -> None:
    starts = [
        finish(*SHORT, f"seed={seed}", "trainer.max_epochs=0").json()["parameters"]
        for seed in (0, 1, 42)
    ]
    assert starts[0] != starts[1] != starts[2]


def test_split_and_order_never_shift_the_initial_weights(finish: Callable[..., Finished]) -> None:
    base = ("+experiment=temperature_mlp", "trainer.max_epochs=0")
    plain = finish(*base).json()["parameters"]
    for change in ("data.split_seed=7", "data.val_fraction=0", "data.batch_size=3"):
        other = finish(*base, change).json()["parameters"]
        assert {n: p["values"] for n, p in other.items()} == {
            n: p["values"] for n, p in plain.items()
        }


def test_mse_by_hand_gives_the_same_numbers(finish: Callable[..., Finished]) -> None:
    a, b = (finish(*SHORT, f"loss={name}").result for name in ("mse", "mse_by_hand"))
    assert a.metrics == pytest.approx(b.metrics, rel=1e-5)


@pytest.mark.every(3)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("experiment", ["temperature_mlp", "and_gate_tensors"])
def test_every_optimizer_trains_every_kind_of_module(
    name: str, experiment: str, finish: Callable[..., Finished]
) -> None:
    done = finish(
        f"+experiment={experiment}", f"optimizer={name}", "trainer.max_epochs=40",
        "optimizer.lr=0.01",
    )  # fmt: skip
    losses = done.result.curves["train/loss"]
    assert losses[-1] < losses[0]


@pytest.mark.every(3)
@pytest.mark.parametrize("choice", [
    *(f"scheduler={name}" for name in ("none", "step", "exponential", "cosine", "warmup")),
    *(f"model.init={name}" for name in ("default", "xavier", "kaiming", "normal", "zeros")),
    *(f"model.activation={name}" for name in ("relu", "prelu", "leaky_relu", "sigmoid_by_hand")),
    *("model.width=null", "model.width=[5,5]", "trainer.gradient_clip_val=0.5"),
    *("data.normalize_input=standardize", "data.normalize_target=min_max", "precision=64"),
    *("data.normalize_target=lp_norm:2", "data.val_fraction=0", "data.batch_size=1"),
])  # fmt: skip
def test_every_choice_runs(choice: str, finish: Callable[..., Finished]) -> None:
    result = finish(*SHORT, choice).result
    assert result.status == "completed"
    assert ("val/loss" in result.metrics) == (choice != "data.val_fraction=0")


def test_divergence_is_an_outcome(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=temperature_linear", "optimizer.lr=0.1", "log_every=10",
                  "pictures=few")  # fmt: skip
    found = done.json()
    assert found["status"] == "diverged"
    assert found["steps"] == 26
    assert found["curves"]["step"] == [0, 10, 20, 26]
    assert found["curves"]["train/loss"][2] > found["curves"]["train/loss"][0] > 0
    assert found["curves"]["train/loss"][3] is None  # infinity has no name in JSON
    assert found["metrics"]["train/loss"] is None
    assert "diverged at step 26" in done.text
    assert not (done.directory / "checkpoint.ckpt").exists()
    assert (done.directory / "fit.png").exists()
    # The weights are those that gave the loss, before they could be updated by it.
    weights = load_file(done.directory / "weights.safetensors")
    assert all(torch.isfinite(w).all() for w in weights.values())


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", [
    ("+experiment=temperature_linear", "optimizer.lr=0.1", "precision=64"),
    ("+experiment=temperature_linear", "optimizer.lr=0.1", "early_stop={patience: 5}"),
    ("+experiment=xor", "model.width=4", "model.activation=relu", "optimizer.lr=1e30"),
    ("+experiment=sine", "data.batch_size=200", "optimizer=sgd", "optimizer.lr=1e30",
     "model.output_activation=identity"),
])  # fmt: skip
def test_every_way_to_diverge_leaves_a_result(
    overrides: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    done = finish(*overrides, "pictures=few")
    found = done.json()
    assert found["status"] == "diverged"
    # With early stopping the best point before is kept, and its metrics are the run's.
    has_kept = any(o.startswith("early_stop") for o in overrides)
    assert (found["kept"] is not None) == has_kept
    assert (found["metrics"]["train/loss"] is not None) == has_kept
    assert (done.directory / "loss.png").exists()


def test_probes_keep_their_precision(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=proportional", "precision=64", "data.probe=[[0.1]]",
                  "trainer.max_epochs=1")  # fmt: skip
    assert done.result.predictions[0]["input"] == [0.1]


def test_a_saturated_net_is_worse_than_a_constant(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=sine", "optimizer=sgd", "optimizer.lr=1e6", "trainer.max_epochs=20")
    assert done.result.status == "completed"
    assert "worse than the constant predictor" in done.text
    good = finish("+experiment=sine", "trainer.max_epochs=200")
    assert "worse than" not in good.text


def test_logged_points(finish: Callable[..., Finished]) -> None:
    curves = finish(*SHORT, "trainer.max_epochs=25", "data.batch_size=4").result.curves
    assert curves["step"] == [0, 30, 60, 75]  # three steps an epoch, and the end
    auto = finish("+experiment=temperature_linear").result.curves["step"]
    assert auto[:3] == [0, 20, 40]
    assert 70 < len(auto) < 200


def test_the_last_point_is_the_final_metric(finish: Callable[..., Finished]) -> None:
    done = finish(*SHORT, "data.batch_size=4")
    split = done.run.data.train
    assert split.target is not None
    with torch.no_grad():
        by_hand = ((done.run.net(split.input) - split.target) ** 2).mean().item()
    assert done.result.metrics["train/loss"] == pytest.approx(by_hand, rel=1e-6)
    assert done.result.curves["train/loss"][-1] == done.result.metrics["train/loss"]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's, of what Lightning calls
@pytest.mark.filterwarnings("ignore:.*srun")  # Lightning's, on a cluster's machine
def test_lightning_validates_what_we_report(finish: Callable[..., Finished]) -> None:
    import lightning.pytorch as pl

    done = finish(*SHORT)
    module, data = Example.of(done.run), ExampleData(lambda: done.run.data)
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_checkpointing=False,
                         accelerator="cpu")  # fmt: skip
    (found,) = trainer.validate(module, datamodule=data, verbose=False)
    assert found["val/loss"] == pytest.approx(done.result.metrics["val/loss"], rel=1e-6)


def test_the_gradient_is_that_of_the_whole_split(finish: Callable[..., Finished]) -> None:
    done = finish(*SHORT, "data.batch_size=4", "precision=64")
    net, split = done.run.net, done.run.data.train
    net.zero_grad()
    torch.nn.functional.mse_loss(net(split.input), split.target).backward()  # type: ignore
    for name, parameter in net.named_parameters():
        ours = torch.tensor(done.json()["parameters"][name]["gradient"], dtype=torch.float64)
        torch.testing.assert_close(ours, parameter.grad)


def test_the_run_id_is_of_what_changes_numbers() -> None:
    base, _ = compose_settings(*SHORT)
    same = [["name=x", "print_every=7", "logger=none", "data.input_name=x"]]
    other = ["seed=1", "optimizer.lr=0.5", "log_every=11", "data.split_seed=1", "loss=mse_by_hand"]
    for overrides in same:
        assert run_id(compose_settings(*SHORT, *overrides)[0]) == run_id(base)
    ids = {run_id(compose_settings(*SHORT, override)[0]) for override in other}
    assert len(ids | {run_id(base)}) == len(other) + 1


def test_full_batches_are_the_split_itself() -> None:
    settings, _ = compose_settings("+experiment=sine")
    data = ExampleData(partial(build_data, settings))
    data.setup()
    ((input, target),) = list(data.train_dataloader())
    assert input is data.prepared.train.input
    assert target is data.prepared.train.target
