"""What data=table does without a word from the user, and that every word of his goes before it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from small_nets.run.build.compose import compose_settings
from small_nets.run.build.differences import differences
from small_nets.run.outputs.identity import run_id
from tests.conftest import ROOT, Answer, Finished, Swept

PATIENT = {"patience": 20, "min_delta": 0.0}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 rows: a and b; c is a line in them, kind one of three clouds."""
    path = tmp_path_factory.mktemp("defaults") / "my.csv"
    r = np.random.default_rng(3)
    kind = r.integers(0, 3, 120)
    x = np.array([[0, 0], [6, 1], [1, 7]])[kind] + r.normal(size=(120, 2))
    columns = {"a": x[:, 0], "b": x[:, 1], "c": 2 * x[:, 0] - x[:, 1] + 5}
    pl.DataFrame(columns | {"kind": np.array(["u", "v", "w"])[kind]}).write_csv(path)
    return path


def own(table: Path, *more: str, target: str = "c") -> tuple[str, ...]:
    return ("data=table", f"data.path={table}", "data.inputs=[a,b]", f"data.target={target}", *more)


# overrides -> what they must come to; what is not named is the default
WORDS: dict[tuple[str, ...], dict[str, Any]] = {
    (): {},
    ("model.width=null",): {"width": None},
    ("model=mlp",): {"width": None},
    ("model.width=3",): {"width": 3},
    ("optimizer=sgd",): {"optimizer": "sgd", "lr": 0.01},
    ("optimizer=adam",): {"lr": 0.001},
    ("optimizer.lr=0.2",): {"lr": 0.2},
    ("optimizer=sgd", "optimizer.lr=0.2"): {"optimizer": "sgd", "lr": 0.2},
    ("early_stop=null",): {"early_stop": None},
    ("early_stop={patience: 3}",): {"early_stop": {"patience": 3, "min_delta": 0.0}},
    ("model=layers", "model.layers=[[2,4],[4,1]]"): {"width": "absent"},
    ("trainer.max_epochs=7",): {"epochs": 7},
    # An experiment's own words go before the defaults of the table that is put in its data's place.
    ("+experiment=temperature_mlp", "data.range=null"): {
        "width": 8, "lr": 1e-3, "optimizer": "sgd", "epochs": 5000,
    },
}  # fmt: skip
DEFAULT = {"width": 64, "optimizer": "adam", "lr": 0.003, "early_stop": PATIENT,
           "epochs": 1000}  # fmt: skip


def told(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "width": settings["model"].get("width", "absent"),
        "optimizer": settings["optimizer"]["_target_"],
        "lr": settings["optimizer"]["lr"],
        "early_stop": settings["early_stop"],
        "epochs": settings["trainer"]["max_epochs"],
    }


@pytest.mark.every(3)
@pytest.mark.parametrize("words", WORDS)
def test_a_word_of_the_user_goes_before_the_default(words: tuple[str, ...], table: Path) -> None:
    wanted = DEFAULT | WORDS[words]
    # In any order on the command line.
    for overrides in (own(table, *words), (*words, *own(table))):
        found = told(compose_settings(*overrides)[0])
        if "+experiment=temperature_mlp" in words:
            found["optimizer"] = wanted["optimizer"] = "any"  # it chooses none by itself
        assert found == wanted


def test_other_data_is_as_before() -> None:
    found = told(compose_settings("+experiment=temperature_linear")[0])
    assert found["width"] is None
    assert found["early_stop"] is None
    assert found["optimizer"] == "sgd"


def test_a_default_that_is_spelled_out_is_the_same_run(table: Path) -> None:
    spelled = ("model.width=64", "early_stop={patience: 20}", "optimizer=adam",
               "optimizer.lr=0.003", "data.normalize_target=standardize")  # fmt: skip
    plain, long = compose_settings(*own(table))[0], compose_settings(*own(table, *spelled))[0]
    assert run_id(plain) == run_id(long)


def test_what_a_table_fills_in_is_no_choice_of_the_user(table: Path) -> None:
    named = {"data", "data.path", "data.inputs", "data.target"}
    assert set(differences(*compose_settings(*own(table)))) == named
    more = differences(*compose_settings(*own(table, "early_stop=null", "model.width=null",
                                              "optimizer=sgd", "data.target_name=y")))  # fmt: skip
    assert {k: v for k, v in more.items() if k not in named} == {
        "early_stop": None, "model.width": None, "optimizer": "sgd", "data.target_name": "y",
    }  # fmt: skip


def test_the_stored_config_says_what_was_done(table: Path, finish: Callable[..., Finished]) -> None:
    done = finish(*own(table))
    assert told(done.json()["config"]) == DEFAULT
    # A line is learned, and early stopping does not end at the first bump of the loss.
    assert done.result.metrics["val/r2"] > 0.999
    classes = finish(*own(table, target="kind"), "loss=cross_entropy")
    assert classes.result.metrics["val/accuracy"] > 0.95
    assert classes.result.baseline["val/accuracy"] < 0.6


def test_a_sweep_over_the_defaults(table: Path, sweep: Callable[..., Swept]) -> None:
    done = sweep(*own(table), "model.width=null,4", "optimizer=sgd,adam,table", "logger=none",
                 "early_stop=null", "trainer.max_epochs=5", "sweep.directories=0")  # fmt: skip
    assert done.code == 0
    table_ = done.table
    assert set(table_["status"]) == {"completed"}
    assert table_["optimizer"].value_counts().sort("optimizer").rows() == [
        ("adam", 2), ("sgd", 2), ("table", 2),
    ]  # fmt: skip
    configs = [config for config, _ in done.store.configs().values()]
    found = {(c["model"]["width"], c["optimizer"]["lr"]) for c in configs}
    assert found == {(w, lr) for w in (None, 4) for lr in (0.01, 0.001, 0.003)}


@pytest.mark.more
def test_files_of_the_users_own(
    table: Path, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    """An experiment that chooses data=table, and a data choice that starts from it."""
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "data").mkdir()
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /data: table\n\n"
        f"data:\n  path: {table}\n  inputs: [a, b]\n  target: c\nmodel:\n  width: 5\n"
    )
    (tmp_path / "conf" / "data" / "ours.yaml").write_text(
        f"defaults:\n  - table\n\npath: {table}\ninputs: [a, b]\ntarget: c\n"
    )
    runs = {"mine": ("+experiment=mine",), "ours": ("data=ours", "optimizer=sgd")}
    found = {}
    for name, words in runs.items():
        answer = command("src.train", "--config-dir", "conf", *words, "trainer.max_epochs=2",
                         "logger=none", f"hydra.run.dir={name}")  # fmt: skip
        assert answer.code == 0, answer.err
        assert "early_stop" not in answer.out  # in the settings that differ
        found[name] = told(json.loads((tmp_path / name / "result.json").read_text())["config"])
    assert found["mine"] == DEFAULT | {"width": 5, "epochs": 2}
    assert found["ours"] == DEFAULT | {"optimizer": "sgd", "lr": 0.01, "epochs": 2}


def test_help_tells_it() -> None:
    text = (ROOT / "conf" / "data" / "table.yaml").read_text()  # printed as it stands by --help
    for word in ("model=table", "optimizer=table", "early_stop={patience: 20}", "64", "0.003"):
        assert word in text
