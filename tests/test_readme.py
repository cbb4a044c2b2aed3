"""The README's commands, as printed, mean what they say."""

import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from src import conf_files, predict, report
from src.notebook import Outcome, run, sweep
from src.sweep.store import Store
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
LINES = "".join(text for kind, text in BLOCKS if kind == "bash").splitlines()
SHORT = ("trainer.max_epochs=2",)
# What others run: .ci/run the set-up commands, test_bad_input --help, test_tensorboard the server.
ELSEWHERE = ("pip install", "tensorboard --logdir", "python -m src.train --help")
CLUSTERS = "executor="  # test_clusters


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 2))
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x @ [1.0, 2.0]})
    table = table.with_columns(kind=pl.when(pl.col("c") > 0).then(pl.lit("high")).otherwise(
        pl.lit("low")))  # fmt: skip
    table.write_csv("my.csv")
    table.drop("c", "kind").write_csv("new.csv")


@pytest.mark.usefixtures("tables")
def test_every_command_runs() -> None:
    """As printed and in order, with fewer epochs and seeds."""
    assert len(LINES) > 20
    for line in LINES:
        if line.startswith(ELSEWHERE) or CLUSTERS in line:
            continue
        python, _, module, *words = shlex.split(line)
        assert python == "python"
        if module == "src.train" and words[0] == "-m":
            few = ("seed=range(2)",) if "range(40)" in line else ()
            few += ("search.trials=3", "search.seeds=2") if "search" in line else ()
            table = sweep(*words[1:], *SHORT, *few, "sweep.directories=0")
            assert set(table["status"]) <= {"completed", "diverged"}, line
        elif module == "src.train":
            assert run(*words, *SHORT).result.status == "completed", line
        else:
            {"src.predict": predict.main, "src.report": report.main}[module](words)
    written = pl.read_csv("predicted.csv")
    assert written.columns == ["a", "b", "predicted_c"]
    assert Path("outputs/my_sweep/report.html").exists()
    assert Path("outputs/my_circles/features.png").exists()
    assert len(Store(Path("outputs/my_rates")).read()) == 400


@pytest.mark.usefixtures("tables")
def test_the_notebook_lines_run() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "python"]
    found = {
        "run": lambda *words: run(*words, *SHORT),
        "sweep": lambda *words: sweep(*words, *SHORT, "seed=range(3)"),
    }
    first, *lines = filter(None, text.splitlines())
    assert first == "from src.notebook import run, sweep"
    one, many = (eval(line, dict(found)) for line in lines)  # a document of ours
    assert isinstance(one, Outcome)
    assert len(many) == 6


def test_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    for picture in pictures:
        assert (ROOT / picture).stat().st_size > 5000


def test_every_experiment_is_in_the_table() -> None:
    for name in conf_files.experiments():
        assert f"`{name}`" in README


def test_every_choice_is_real() -> None:
    for group in ("optimizer", "scheduler", "loss"):
        listed = re.findall(rf"`{group}=([a-z_\\|]+)`", README)
        assert listed
        for names in listed:
            assert set(names.split("\\|")) <= set(conf_files.choices(group))


def test_no_figure_is_a_placeholder() -> None:
    assert not re.search("RATIO|_TABLE", README)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200
