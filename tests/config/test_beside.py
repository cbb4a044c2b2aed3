"""Fixed keys beside swept choices, and what an experiment sets of a choice that was replaced."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.config.errors import InputError
from small_nets.config.multirun_keys import as_typed, for_multirun
from small_nets.config.override_values import read
from small_nets.run.build.compose import compose_settings
from tests.config.test_own_choices import own
from tests.conftest import Answer, Finished, Swept

Sweep = Callable[..., Swept]
MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=4", "logger=none")
LAYERS = ("+experiment=sine", "model=layers", "model.layers=[[1,5],[5,1]]")
DRY = "sweep.dry_run=true"

# All of the swept choices have the key: as many runs as there are.
ALL: dict[tuple[str, ...], int] = {
    ("optimizer=momentum,momentum_by_hand", "optimizer.momentum=0.5"): 2,
    ("scheduler=warmup,cosine", "scheduler.steps=5"): 2,
    ("optimizer=adam,adamw", "optimizer.betas=[0.8,0.99]"): 2,
    ("optimizer=choice(adam,adamw)", "optimizer.betas=[0.8,0.99],[0.9,0.999]"): 4,
    ("model=layers,mlp", "model.activation=relu", "model.layers=[[1,5],[5,1]]"): 0,
    ("model=mlp,layers", "model.activation=relu", "+model.layers=[[1,5],[5,1]]"): 0,
    ("optimizer=rmsprop", "optimizer.alpha=0.5", "seed=1,2"): 2,
    ("+sweep=lr_by_optimizer", "optimizer.weight_decay=0.1", "seed=0", "optimizer.lr=0.1"): 5,
    ("data=sine,temperature", "data.val_fraction=0.3"): 2,
    ("optimizer=momentum,adam", "+optimizer.foreach=false"): 2,
    ("scheduler=step", "scheduler.every=5", "optimizer=sgd,adam"): 2,
}


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", [k for k, n in ALL.items() if n], ids=" ".join)
def test_all_have_it(overrides: tuple[str, ...], sweep: Sweep) -> None:
    done = sweep(*MLP, *overrides, DRY)
    assert done.code == 0, done.text
    assert f"{ALL[overrides]} runs to train" in done.text
    assert " invalid" not in done.text


def test_of_swept_experiments(sweep: Sweep) -> None:
    done = sweep("+experiment=circles,moons", "data.val_fraction=0.3", "trainer.max_epochs=1", DRY)
    assert "2 runs to train" in done.text


NONE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("optimizer=sgd,momentum", "optimizer.betas=[0.8,0.99]"): (
        "optimizer.betas does not exist for optimizer=sgd|momentum", "betas is a key of"),
    ("scheduler=none,exponential", "scheduler.steps=5"): (
        "scheduler.steps does not exist for scheduler=none|exponential",),
    ("optimizer=adam,adamw", "optimizer.momentum=0.5,0.9"): (
        "optimizer.momentum does not exist for optimizer=adam|adamw",),
    ("optimizer=adam,adamw", "optimizer.momentun=0.5"): ("optimizer=adam|adamw",),
    ("data=sine,moons", "data.source.kind=xor"): ("data.source.kind does not exist for data=sine",),
    ("+sweep=lr_by_optimizer", "optimizer.width=5"): ("exist for optimizer=sgd|momentum|",),
}  # fmt: skip


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", NONE, ids=" ".join)
def test_none_has_it(overrides: tuple[str, ...], sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        sweep(*MLP, *overrides)
    for word in NONE[overrides]:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_some_have_it(sweep: Sweep) -> None:
    done = sweep(*MLP, "optimizer=sgd,adam,adamw", "optimizer.betas=[0.8,0.99]")
    assert done.code == 1
    assert done.table.sort("job")["status"].to_list() == ["failed", "completed", "completed"]
    (message,) = done.table.filter(pl.col("status") == "failed")["message"]
    assert message.startswith("optimizer.betas does not exist for optimizer=sgd")


def test_a_run_of_it_has_the_numbers_of_its_own(
    sweep: Sweep, finish: Callable[..., Finished]
) -> None:
    done = sweep(*MLP, "optimizer=momentum,rmsprop", "optimizer.momentum=0.5", "precision=64")
    alone = finish(*MLP, "optimizer=momentum", "optimizer.momentum=0.5", "precision=64")
    (found,) = done.table.filter(pl.col("status") == "completed")["val/loss"]
    assert found == pytest.approx(alone.result.metrics["val/loss"], rel=1e-9)
    other = finish(*MLP, "optimizer=momentum", "precision=64")
    assert found != pytest.approx(other.result.metrics["val/loss"], rel=1e-9)


@pytest.mark.more
def test_in_a_search(sweep: Sweep) -> None:
    pytest.importorskip("optuna")
    search = ("hydra/sweeper=search", "search.trials=4", "search.seeds=1", DRY)
    done = sweep(*MLP, *search, "optimizer=choice(momentum,sgd)", "optimizer.momentum=0.5")
    assert done.code == 0, done.text
    with pytest.raises(InputError, match=r"optimizer.betas does not exist for optimizer=\w+\|\w+"):
        sweep(*MLP, *search, "optimizer=momentum,sgd", "optimizer.betas=[0.8,0.9]")
    layers = ("model=choice(mlp,layers)", "model.layers=[[1,5],[5,1]]")
    done = sweep("+experiment=sine", "model.activation=relu", *search, *layers)
    assert "model.width=5 of experiment=sine is left out" in done.text


def test_by_the_command(command: Callable[..., Answer]) -> None:
    answer = command("src.train", "-m", *MLP, "optimizer=momentum,momentum_by_hand",
                     "optimizer.momentum=0.5", "sweep.dir=s", "sweep.directories=0")  # fmt: skip
    assert answer.code == 0, answer.err
    assert "choice(" not in answer.out


KEYS = ("optimizer.momentum", "data.inputs", "model.width", "data.target", "++optimizer.lr")
VALUES = st.one_of(
    st.sampled_from(["0.5", "[a,b]", '["a b",c]', "{a: 1}", "${seed}", "'x'", "a b", "1,2"]),
    st.text("ab1.,[]'\"() ", max_size=8),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KEYS), VALUES)
def test_what_hydra_is_given_means_what_was_typed(key: str, value: str) -> None:
    word = f"{key}={value}"
    swept = ["optimizer=sgd,adam", "+experiment=sine,xor"]
    (*_, made) = for_multirun([*swept, word])
    if made == word:
        return
    one, typed = read(made), read(word)
    assert one is not None
    assert typed is not None
    assert one.is_sweep_override()
    (text,) = one.sweep_string_iterator()
    again = read(f"{key}={text}")
    assert again is not None
    assert again.value() == typed.value()
    assert as_typed(made).rstrip() == f"{key}={value.strip() or chr(34) * 2}"


def test_nothing_is_changed_where_no_choice_is_swept() -> None:
    for words in (["seed=1,2", "optimizer.lr=1"], ["optimizer=adam", "optimizer.lr=1"],
                  ["optimizer=sgd,adam", "seed=3", "model.width=5", "optimizer.lr=1,2"],
    ):  # fmt: skip
        assert for_multirun(words) == words


# experiment and replaced choices -> keys that go, keys that stay
REPLACED = {
    LAYERS: (("model.width",), {"model.output_activation": "tanh"}),
    ("+experiment=one_sample", "data=sine"): (("data.source.inputs", "data.source.targets"), {}),
    ("+experiment=and_gate_by_hand", "model=mlp"): (("model.weights",), {"model.bias": True}),
}


@pytest.mark.parametrize("overrides", REPLACED, ids=" ".join)
def test_what_belongs_to_a_replaced_choice_goes_with_it(
    overrides: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    gone, kept = REPLACED[overrides]
    found, _ = compose_settings(*overrides)
    for path in gone:
        section = found
        for word in path.split(".")[:-1]:
            section = section[word]
        assert path.rpartition(".")[2] not in section
    for path, value in kept.items():
        group, _, key = path.partition(".")
        assert found[group][key] == value


OWN = """# @package _global_
defaults:
  - override /data: temperature
  - override /scheduler: cosine
  - override /optimizer: momentum

name: mine
model: {width: 3}
optimizer: {momentum: 0.5, lr: 0.01}
scheduler: {steps: 7, end: 0.1}
"""


def test_of_an_experiment_of_ones_own(tmp_path: Path) -> None:
    where = own(tmp_path, {"experiment/mine": OWN})
    base = (where, "+experiment=mine")
    found, _ = compose_settings(*base, "scheduler=warmup", "optimizer=adam", "model=layers",
                                "model.layers=[[1,1]]")  # fmt: skip
    assert found["scheduler"] == {"_target_": "warmup", "steps": 7}
    assert "momentum" not in found["optimizer"]
    assert found["optimizer"]["lr"] == 0.01
    assert found["model"].keys() >= {"layers"}
    assert "width" not in found["model"]


@pytest.mark.parametrize("typed", ["model.width=5", "++model.width=5"])
def test_what_was_typed_stays_an_error(typed: str) -> None:
    with pytest.raises(InputError, match=r"model.width does not exist for model=layers"):
        compose_settings(*LAYERS, typed)


@pytest.mark.more
def test_it_is_said_everywhere(
    command: Callable[..., Answer], sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = "model.width=5 of experiment=sine is left out: model=layers has no such key"
    short = ("trainer.max_epochs=1", "logger=none")
    answer = command("src.train", *LAYERS, *short, "hydra.run.dir=r")
    assert answer.code == 0, answer.err
    assert answer.out.count(line) == 1
    assert "width" not in (tmp_path / "r/.hydra/config.yaml").read_text()
    done = sweep(*LAYERS, *short, "seed=range(3)", DRY)
    assert done.text.count(line) == 1
    monkeypatch.chdir(tmp_path)
    from small_nets import notebook

    notebook.run(*LAYERS, *short, "hydra.run.dir=n")
    assert capsys.readouterr().out.count(line) == 1
    assert "width" not in (tmp_path / "n/.hydra/config.yaml").read_text()
    notebook.sweep(*LAYERS, *short, "seed=1,2", "sweep.dir=s", "sweep.directories=0")
    assert capsys.readouterr().out.count(line) == 1
