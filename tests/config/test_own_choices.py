"""Choice files of the user's own: known is what the component takes, wherever the file lies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from small_nets.config import conf_files, defaults_lists
from small_nets.config.check import folders_of
from small_nets.config.component_facts import NEEDED
from small_nets.config.components import COMPONENTS
from small_nets.config.errors import InputError
from small_nets.run.build.compose import compose_settings
from tests.conftest import Answer, Finished, Swept

MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=20")
EXAMPLES = {
    "inputs": "[[1.0]]", "kind": "xor", "rows": 2, "features": 1, "eigenvalues": "[1]",
    "width": 2, "layers": "[[1, 1]]", "weights": "[1]", "bias": 0, "lr": 0.01, "every": 10,
    "factor": 0.5, "decay": 0.9, "steps": 5, "end": 0.1,
}  # fmt: skip


def own(folder: Path, files: dict[str, str]) -> str:
    """Files below a folder, and the override with which Hydra finds them."""
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return f"hydra.searchpath=[file://{folder}]"


def refused(folder: Path, files: dict[str, str], *overrides: str) -> str:
    where = own(folder, files)
    with pytest.raises(InputError) as caught:
        compose_settings(where, *overrides)
    return str(caught.value)


# group/choice: content, and what the message says: the key, the nearest one, the file
WRONG = {
    "trainer/mine": (
        "defaults: [cpu]\nfast_dev_run: true",
        ("trainer.fast_dev_run does not exist for trainer=mine", "max_epochs"),
    ),
    "loss/mine": ("_target_: mse\nreduction: sum", ("loss.reduction", "no keys")),
    "data/mine": ("defaults: [sine]\naugment: true", ("data.augment does not exist",)),
    "data/nested": (
        "defaults: [base]\nsource: {_target_: sine, point: 5}",
        ("data.source.point does not exist", "Did you mean points?"),
    ),
    "data/extra": (
        "defaults: [base]\nsource: {_target_: sine}\nnormalise: {input: a}",
        ("data.normalise does not exist",),
    ),
    "model/mine": (
        "_target_: mlp\nwidth: 3\ndropout: 0.5",
        ("model.dropout does not exist for model=mine",),
    ),
    "optimizer/mine": (
        "defaults: [adam]\nlearning_rate: 0.5",
        ("optimizer.learning_rate does not exist", "Did you mean lr?"),
    ),
    "optimizer/hand": (
        "_target_: sgd_by_hand\nlr: 0.1\nmomentum: 0.9",
        ("optimizer.momentum does not exist", "momentum is a key of"),
    ),
    "optimizer/partial": (
        "_target_: sgd\nlr: 0.1\n_partial_: true",
        ("optimizer._partial_ does not exist",),
    ),
    "scheduler/mine": (
        "_target_: step\nevery: 5\nfactor: 0.5\ngamma: 0.1",
        ("scheduler.gamma does not exist",),
    ),
    "scheduler/none_but": ("_target_: null\nsteps: 5", ("scheduler.steps does not exist",)),
    "logger/mine": ("defaults: [none]\nwandb: true", ("logger.wandb does not exist",)),
    "executor/mine": ("defaults: [local]\ncpus: 3", ("executor.cpus does not exist",)),
    "executor/odd": ("kind: lokal", ("executor.kind=lokal is not allowed", "Did you mean local?")),
    # Keys are not all that can be wrong.
    "optimizer/bare": ("lr: 0.1", ("optimizer has no _target_", "sgd")),
    "optimizer/foreign": (
        "_target_: mse\nlr: 0.1",
        ("optimizer._target_=mse is not on the allow-list",),
    ),
    "optimizer/typo": (
        "_target_: torch.optim.Adam\nlr: 0.1",
        ("torch.optim.Adam is not on the allow-list", "Did you mean adam?"),
    ),
    "model/evil": ("_target_: os.system\ncommand: ls", ("os.system", "nothing was imported")),
    "optimizer/no_lr": ("_target_: adam", ("optimizer.lr is missing",)),
    "model/no_width": ("_target_: mlp", ("model.width is missing",)),
    "trainer/short": ("max_epochs: 5", ("trainer.accelerator is missing",)),
    "data/short": (
        "source: {_target_: gate}\nval_fraction: 0",
        ("data.batch_size is missing",),
    ),
    "optimizer/value": ("_target_: sgd\nlr: fast", ("optimizer.lr=fast is not",)),
    "optimizer/flag": (
        "_target_: adam\nlr: 0.1\namsgrad: maybe",
        ("optimizer.amsgrad=maybe", "true or false"),
    ),
}


@pytest.mark.every(3)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_known_is_refused_with_its_file(name: str, tmp_path: Path) -> None:
    content, words = WRONG[name]
    group, _, choice = name.partition("/")
    overrides = ("data=temperature", f"{group}={choice}")
    message = refused(tmp_path, {name: content}, *overrides)
    for word in (*words, str(tmp_path / f"{name}.yaml")):
        assert word in message


def test_the_file_that_states_it_is_the_one_it_starts_from(tmp_path: Path) -> None:
    files = {
        "optimizer/below": "_target_: sgd\nlr: 0.1\nnestrov: true",
        "optimizer/above": "defaults: [below, _self_]\nlr: 0.2",
    }
    message = refused(tmp_path, files, *MLP, "optimizer=above")
    assert "Did you mean nesterov?" in message
    assert f"It stands in {tmp_path / 'optimizer/below.yaml'}" in message


EXPERIMENTS = {
    "model:\n  widht: 5": ("model.widht does not exist", "Did you mean width?"),
    "trainr:\n  max_epochs: 5": ("trainr does not exist", "Did you mean trainer?"),
    "data:\n  source:\n    pts: 5": ("data.source.pts does not exist",),
    "sweep:\n  memroy: 1GiB": ("sweep.memroy does not exist", "Did you mean memory?"),
    "optimizer:\n  amsgrad: true": ("optimizer.amsgrad does not exist", "optimizer=sgd"),
}


@pytest.mark.parametrize("content", EXPERIMENTS)
def test_an_experiment_with_unknown_keys(content: str, tmp_path: Path) -> None:
    head = "# @package _global_\ndefaults:\n  - override /data: sine\n\nname: mine\n"
    message = refused(tmp_path, {"experiment/mine": f"{head}{content}\n"}, "+experiment=mine")
    for word in (*EXPERIMENTS[content], str(tmp_path / "experiment/mine.yaml")):
        assert word in message


@pytest.mark.every(3)
@pytest.mark.parametrize(("where", "name"), [
    (w, n) for w, found in COMPONENTS.items() for n in found if n not in ("table", "formula")
])  # fmt: skip
def test_every_component_is_taken_with_all_and_with_least(
    where: str, name: str, tmp_path: Path
) -> None:
    takes = COMPONENTS[where][name].takes
    least = {k: EXAMPLES[k] for k, v in takes.items() if v is NEEDED}
    every = {k: str(list(v)) if isinstance(v, tuple) else v for k, v in takes.items()} | least
    group = where.partition(".")[0]
    for number, settings in enumerate((least, every)):
        lines = [f"{k}: {'null' if v is None else str(v).lower()}" for k, v in settings.items()]
        lines = [f"_target_: {name}", *lines]
        if where == "data.source":
            lines = ["defaults: [base]", "source:", *(f"  {line}" for line in lines)]
        where_is = own(tmp_path, {f"{group}/mine{number}": "\n".join(lines)})
        overrides = ["+experiment=temperature_mlp", f"{group}=mine{number}", where_is]
        if "bce" in name:
            overrides.append("model.output_activation=sigmoid")
        found, _ = compose_settings(*overrides)
        section = found[group]["source"] if where == "data.source" else found[group]
        assert section.keys() == {"_target_", *settings}


def test_a_file_with_the_name_of_another(tmp_path: Path) -> None:
    message = refused(tmp_path, {"optimizer/sgd": "_target_: sgd\nlr: 9"}, *MLP)
    assert "optimizer=sgd has two files" in message
    assert str(tmp_path / "optimizer/sgd.yaml") in message
    message = refused(tmp_path / "b", {"experiment/xor": "seed: 1"}, "+experiment=xor")
    assert "experiment=xor has two files" in message
    compose_settings(own(tmp_path / "b", {}), "+experiment=sine")  # another one is no matter


@pytest.mark.parametrize("content", ["- 1\n- 2", "just text", "a: [1\nb: 2", "\x00"])
def test_a_file_that_is_no_mapping(content: str, tmp_path: Path) -> None:
    message = refused(tmp_path, {"optimizer/mine": content}, *MLP, "optimizer=mine")
    assert "optimizer/mine" in message


def test_a_key_that_the_file_does_not_state_needs_a_plus(tmp_path: Path) -> None:
    where = own(tmp_path, {"optimizer/mine": "_target_: adam\nlr: 0.1"})
    with pytest.raises(InputError, match=r"Fix: \+optimizer.eps=1e-6, or optimizer=adagrad\|"):
        compose_settings(where, *MLP, "optimizer=mine", "optimizer.eps=1e-6")
    found, _ = compose_settings(where, *MLP, "optimizer=mine", "+optimizer.eps=1e-6")
    assert found["optimizer"]["eps"] == 1e-6
    with pytest.raises(InputError, match=r"Fix: \+optimizer.momentum=0.9, or optimizer=momentum"):
        compose_settings(*MLP, "optimizer=sgd", "optimizer.momentum=0.9")


ALONE = {
    "sgd": "momentum: 0.9\ndampening: 0.1",
    "adam": "amsgrad: true",
    "rmsprop": "momentum: 0.5\ncentered: true",
    "adagrad": "initial_accumulator_value: 0.1",
    "adamw": "foreach: false",
}


@pytest.mark.more
@pytest.mark.parametrize("name", ALONE)
def test_what_no_rule_knows_goes_alone_with_equal_numbers(
    name: str, tmp_path: Path, sweep: Callable[..., Swept], finish: Callable[..., Finished]
) -> None:
    where = own(tmp_path, {"optimizer/mine": f"defaults: [{name}]\n{ALONE[name]}"})
    done = sweep(*MLP, "optimizer=mine", where, "sweep.directories=0")
    assert done.code == 0
    key = ALONE[name].rpartition("\n")[2].partition(":")[0]
    assert f"optimizer.{key}=" in done.table["reason"][0]
    assert done.table["engine"][0] == "lightning"
    alone = finish(*MLP, "optimizer=mine", where)
    assert done.table["val/loss"][0] == alone.result.metrics["val/loss"]


def test_defaults_that_are_spelled_out_or_left_out_train_together(
    tmp_path: Path, sweep: Callable[..., Swept]
) -> None:
    files = {
        "optimizer/long": "defaults: [adamw]\namsgrad: false\nforeach: null\nmaximize: false",
        "optimizer/short": "_target_: adamw\nlr: 0.001",
    }
    done = sweep(*MLP, "optimizer=adamw,long,short", own(tmp_path, files), "precision=64")
    assert done.code == 0
    assert done.table["reason"].to_list() == [None] * 3
    assert done.table["val/loss"].n_unique() == 1
    assert "all        3" in done.text or "all" in done.text
    other = sweep(*MLP, "optimizer=adamw", "optimizer.weight_decay=0", "precision=64", to="none")
    assert other.table["val/loss"][0] != done.table["val/loss"][0]


def test_a_root_config_of_ones_own_is_not_passed_over(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    own(tmp_path / "my", {"train": "fast: 1"})
    answer = command("src.train", "+experiment=sine", "--config-dir", "my")
    assert answer.code == 2
    assert "my/train.yaml is not read" in answer.err
    assert "Traceback" not in answer.err


def test_an_experiment_that_starts_from_another(tmp_path: Path) -> None:
    own(tmp_path, {"experiment/mine": "# @package _global_\ndefaults: [sine]\nseed: 7"})
    folders = [conf_files.CONF, tmp_path]
    assert defaults_lists.experiment("mine", folders)["model"]["width"] == 5
    assert defaults_lists.default_choices("mine", folders)["optimizer"] == "adam"
    found, _ = compose_settings(own(tmp_path, {}), "+experiment=mine")
    assert (found["seed"], found["model"]["width"]) == (7, 5)
    assert folders_of  # the folders are Hydra's own list


def test_a_broken_file_beside_it_is_not_to_blame(tmp_path: Path) -> None:
    files = {"optimizer/broken": "lr: 0.1\nlr: 0.2"}
    for override in ("optimizer.momentum=0.5", "+optimizer.momentun=0.5"):
        message = refused(tmp_path, files, *MLP, override)
        assert "broken" not in message
        assert override.removeprefix("+").partition("=")[0] in message
    assert "broken.yaml cannot be read" in refused(tmp_path, files, *MLP, "optimizer=broken")
