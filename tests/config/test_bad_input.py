"""Bad input: one clear message, exit code 2, no traceback, nothing written or overwritten."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from tests.conftest import ROOT, Answer

SINE = "+experiment=sine"
ONE = "+experiment=one_sample"

# overrides -> what the message must say
TABLE: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("No experiment", "sine ", "fit 3 sin", "+experiment=sine"),
    ("+experiment=sin",): ("experiment=sin does not exist", "xor ", "Did you mean sine?"),
    ("experiment=sine",): ("needs a plus sign", "+experiment=sine"),
    (SINE, "optimiser.lr=1"): ("optimiser.lr does not exist", "Did you mean optimizer.lr?"),
    (SINE, "optimizer.learning_rate=1"): ("optimizer=adam", "betas, eps, lr", "Did you mean lr?"),
    (SINE, "+typo=1"): ("typo does not exist", "trainer"),
    (SINE, "lr=1"): ("lr does not exist", "Did you mean optimizer.lr?"),
    (SINE, "+epochs=1"): ("epochs does not exist", "Did you mean trainer.max_epochs?"),
    (SINE, "model.widht=5"): ("model.widht", "activation", "Did you mean width?"),
    (SINE, "+model.widht=5"): ("model.widht", "activation", "Did you mean width?"),
    (SINE, "optimizer=sgd", "+optimizer.betas=[0.9,0.9]"): ("optimizer=sgd", "lr, weight_decay"),
    (SINE, "optimizer=adamm"): ("optimizer=adamm", "adagrad", "Did you mean adam?"),
    (SINE, "optimizer=null"): ("optimizer=null", "adagrad"),
    (SINE, "+optimizer.lr=1"): ("exists already", "without the plus"),
    (SINE, "~seed"): ("seed was removed",),
    (SINE, "~trainer.max_epochs"): ("trainer.max_epochs was removed",),
    (SINE, "data.split_seed=${nope}"): ("nope",),
    (SINE, "model.width=[5,"): ("[5,", "] is missing", "Fix: 'model.width=[5]'"),
    (SINE, "optimizer.lr =0.1", "optimizer.lr=0.1=2"): ("blank", "Fix: optimizer.lr=0.1"),
    (SINE, "early_stop={patience:", "10}"): ("'early_stop={patience: 10}'",),
    (SINE, "optimizer.lr=0,05"): ("optimizer.lr", "0.05", "-m"),
    (SINE, "seed=range(3)"): ("seed=range(3)", "a sweep", "Fix: -m in front"),
    ("data=table", "data.inputs=a,b"): ("a list, in quotes: 'data.inputs=[a,b]'",),
    ("sine",): ("'sine'", "Fix: +experiment=sine"),
    (SINE, "+optimizer=sgd"): ("a second optimizer", "without the plus"),
    (SINE, "+experiment=xor"): ("a second experiment",),
    (SINE, "scheduler.gamma=0.5"): ("scheduler=none has no keys",),
    (SINE, "optimizer.momentum=0.9"): ("optimizer=momentum|momentum_by_hand",),
    (SINE, "trainer.threads=100000"): ("trainer.threads=100000",),
    (SINE, "metrics=[accuracy]"): ("these targets are numbers",),
    (SINE, "data.classes=[a,b]"): ("these targets are numbers",),
    ("+experiment=spam", "data.classes=[a]"): ("1 classes", "tells 2 apart"),
    **{
        (SINE, f"optimizer.lr={v}"): (f"optimizer.lr={v} is", "a finite number from 0")
        for v in ("-1", "abc", "nan", "inf", "null", "true")
    },
    **{
        (SINE, f"model.width={v}"): (f"model.width={v} is", "a whole number from 1")
        for v in ("0", "[]", "2.5", "true", "[5,-1]", "-3")
    },
    (SINE, "model.activation=tahn"): ("model.activation=tahn", "sigmoid", "Did you mean tanh?"),
    (SINE, "data.val_fraction=1.5"): ("data.val_fraction=1.5", "3000 rows", "below 1"),
    (SINE, "data.val_fraction=-1"): ("data.val_fraction=-1", "3000 rows"),
    (SINE, "data.val_fraction=abc"): ("data.val_fraction=abc", "a finite number"),
    (SINE, "data.val_fraction=0.0001"): ("of 3000 rows", "0.001 or more"),
    ("+experiment=temperature_mlp", "data.val_fraction=0.09"): ("0.091 or more",),
    (ONE, "data.val_fraction=0.5"): ("1 rows", "none of one row"),
    (SINE, "data.batch_size=0"): ("data.batch_size=0", "2400 rows"),
    (SINE, "data.batch_size=1.5"): ("data.batch_size=1.5", "whole number"),
    (SINE, "data.batch_size=5000"): ("data.batch_size=5000", "2400 rows"),
    (SINE, "data.normalize_input=lp:5"): ("lp:5", "lp_norm:P"),
    (SINE, "data.probe=[[1,2]]"): ("data.probe", "1 finite numbers"),
    (SINE, "trainer.max_epochs=-5"): ("trainer.max_epochs=-5", "0 or more"),
    (SINE, "trainer.gradient_clip_val=0"): ("above 0",),
    **{
        (SINE, f"seed={v}"): (f"seed={v} is", "0 to 4294967295")
        for v in ("-1", "abc", "1.5", "4294967296", "null")
    },
    (SINE, "precision=16"): ("32, 64",),
    (SINE, "log_every=0"): ("log_every=0",),
    (SINE, "early_stop=5"): ("patience",),
    (SINE, "early_stop={patience: 0}"): ("1 or more",),
    **{
        (SINE, f"sweep.halving={v}"): (f"sweep.halving={v} is not", "a number above 1", "factor: 3")
        for v in (
            "3",
            "true",
            "[3]",
            "{factor: 1}",
            "{factor: 0.5}",
            "{factor: null}",
            "{eta: 3}",
            "{first: 0}",
            "{first: 1.5}",
            "{first: true}",
            "{factor: 3, firts: 100}",
        )
    },
    (SINE, "sweep.halving.first=5"): (
        "sweep.halving is a single value",
        "'{factor: 3, first: 100}'",
    ),
    (SINE, "metrics=[r2]"): ("mse, bce",),
    (SINE, "loss=cross_entropy"): ("class probabilities", "(2400, 1)"),
    (SINE, "loss=bce"): ("tanh", "not bounded", "model.output_activation=sigmoid"),
    ("+experiment=temperature_linear", "loss=bce", "model.output_activation=sigmoid"): (
        "between 0 and 1",
        "-4 to 28",
    ),
    (ONE, "data.source.targets=[[1,0,0]]", "model.outputs=2"): ("(1, 2)", "(1, 3)"),
    (ONE, "loss=cross_entropy", "model.output_activation=softmax"): ("softmax twice",),
    (ONE, "model=layers", "model.layers=[[4,5],[4,2]]"): (
        "linear1 [4, 5]",
        "linear2 [4, 2]",
        "Fix: linear2 as [5,2]",
    ),
    (ONE, "model=layers", "model.layers=[[3,5],[5,2]]"): ("4 input columns", "takes 3"),
    (ONE, "model=layers"): ("model.layers has no value",),
    (SINE, "model=layers", "model.layers=[[1,1]]", "model.width=5"): (
        "model.width does not exist for model=layers",
        "width is a key of model=mlp",
    ),
    (SINE, "scheduler=warmup", "scheduler.steps=null"): ("scheduler.steps=null",),
    (SINE, "trainer.accelerator=tpu"): ("cpu, gpu",),
    (SINE, "model._target_=os.system"): ("os.system", "allow-list", "nothing was imported"),
    ("+experiment=weather", "trainer.max_epochs=10"): ("no target to learn",),
    ("+experiment=weather", "model.outputs=null"): ("model.outputs=1",),
    ("+experiment=and_gate_by_hand", "trainer.max_epochs=5"): ("weights are fixed",),
    (ONE, "model=bare_neuron"): ("one output", "2 columns"),
    (SINE, "data=base"): ("data=base: choose one of", "sine"),
    (SINE, "name=../x"): ("names a folder",),
    (SINE, "metrics=[bce]"): ("metrics=[bce]", "tanh"),
    (SINE, "metrics=[cross_entropy]"): ("metrics=cross_entropy", "class probabilities"),
    (SINE, "early_stop.patience=5"): ("early_stop is a single value", "'{patience: 10}'"),
    (SINE, "optimizer.lr=1e39"): ("below 1e+38",),
    (SINE, "~optimizer.lr"): ("optimizer.lr was removed",),
    (SINE, "optimizer=momentum", "optimizer.nesterov=true", "optimizer.momentum=0"): (
        "optimizer: Nesterov",
    ),
    (SINE, "model.width=100000000000"): ("model.width=100000000000", "1000000000"),
    (SINE, "logger=none", "logger.histograms=true"): ("nothing is logged",),
    (SINE, "analysis=curvature", "model.width=[500,500]"): ("2000 trainable parameters",),
    ("+experiment=spam", "metrics=[mse]"): ("metrics=[mse]", "no target"),
    ("+experiment=spam", "analysis=curvature"): ("no target",),
    ("+experiment=feature_sum", "data.range=[0,1]"): ("3 columns",),
    ("+experiment=and_gate", "data.normalize_target=constant:0.1"): ("classes 0 and 1",),
    ("+experiment=proportional", "data.source.task=binary"): ("one column of 0 and 1",),
    ("+experiment=and_gate_by_hand", "model.weights=[1]"): ("2 columns", "1 weights"),
    ("+experiment=weather", "model=bare_line", "~model.outputs", "~model.output_activation"): (
        "3 columns",
    ),
    (SINE, "optimizer._target_=mse"): ("optimizer._target_", "adam"),
}


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", TABLE, ids=" ".join)
def test_the_message(overrides: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        build(compose_settings(*overrides)[0])
    for words in TABLE[overrides]:
        assert words in str(caught.value)


COMMANDS = [
    (),
    ("+experiment=sin",),
    (SINE, "optimizer.learning_rate=1"),
    (SINE, "+typo=1"),
    (SINE, "optimizer=null"),
    (SINE, "data.batch_size=5000"),
    (ONE, "model=layers", "model.layers=[[4,5],[4,2]]"),
    ("-m", SINE, "optimizer=sgdd,adamm"),
    (SINE, "sweep.dry_run=true"),
]


@pytest.mark.every(2)
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_command(
    arguments: tuple[str, ...], command: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = command("src.train", *arguments)
    assert answer.code == 2
    assert answer.err.startswith("Error: ")
    assert answer.err.count("Error") == 1
    assert "Traceback" not in answer.err
    overrides = tuple(a for a in arguments if a != "-m")
    for words in TABLE.get(overrides, ()):
        assert words in answer.err
    # Nothing is left of what was refused.
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "outputs"])


@pytest.mark.more
def test_a_refused_run_leaves_a_named_directory_usable(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    assert command("src.train", ONE, "data.batch_size=9", "hydra.run.dir=mine").code == 2
    assert list((tmp_path / "mine").iterdir()) == []
    assert command("src.train", ONE, "hydra.run.dir=mine").code == 0


def test_a_flag_shows_the_traceback(command: Callable[..., Answer]) -> None:
    answer = command("src.train", SINE, "optimizer.lr=-1", HYDRA_FULL_ERROR="1")
    assert answer.code != 0
    assert "Traceback" in answer.err


def test_a_faulty_program_keeps_its_traceback() -> None:
    from small_nets.config.hydra_errors import explain

    assert explain(RuntimeError("our own fault"), [SINE]) is None


def test_a_directory_with_a_run_is_not_overwritten(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    kept = tmp_path / "mine" / "result.json"
    kept.write_text("precious")
    answer = command("src.train", ONE, "hydra.run.dir=mine")
    assert answer.code == 2
    assert "already holds a run" in answer.err
    assert kept.read_text() == "precious"
    assert not (tmp_path / "mine" / ".hydra").exists()


def test_a_directory_that_cannot_be_written(command: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = command("src.train", ONE, "hydra.run.dir=file/run")
    assert answer.code == 2
    assert "file" in answer.err
    assert "Not a directory" in answer.err
    assert "Traceback" not in answer.err


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A file size limit stands for a full disk: the system refuses the write in the same way."""
    done = subprocess.run(
        [sys.executable, "-m", "src.train", ONE, "hydra.run.dir=run", "logger=none"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
    )
    assert done.returncode == 2
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "result.json").exists()


def test_help_lists_what_there_is(command: Callable[..., Answer]) -> None:
    answer = command("src.train", "--help")
    assert answer.code == 0
    for words in ("+experiment=sine", "fit 3 sin(0.01 x)", "optimizer: adagrad", "max_epochs"):
        assert words in answer.out
