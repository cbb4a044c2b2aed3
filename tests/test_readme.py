"""The commands of every README, as printed, mean what they say."""

import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from small_nets.commands import predict, report
from small_nets.config import conf_files
from small_nets.notebook import Outcome, load, run, sweep
from small_nets.sweep.store.store import Store
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
ROOMS = {
    str(path.parent.relative_to(ROOT)): path
    for folder in ("conf", "src", "tests")
    for path in sorted((ROOT / folder).rglob("README.md"))
}
DOCUMENTS = {".": ROOT / "README.md"} | ROOMS
SHORT = ("trainer.max_epochs=2",)
# What others run: .ci/run the set-up commands, test_bad_input --help, test_tensorboard the server.
ELSEWHERE = ("pip install", "tensorboard --logdir", "python -m src.train --help")
CLUSTERS = "executor="  # test_clusters


def blocks(path: Path, kind: str) -> list[str]:
    """The blocks of code of one kind in a document."""
    return re.findall(rf"```{kind}\n(.*?)```", path.read_text(), re.DOTALL)


def lines(path: Path) -> list[str]:
    return "".join(blocks(path, "bash")).splitlines()


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 2))
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x @ [1.0, 2.0]})
    table = table.with_columns(kind=pl.when(pl.col("c") > 0).then(pl.lit("high")).otherwise(
        pl.lit("low")))  # fmt: skip
    table.write_csv("my.csv")
    table.drop("c", "kind").write_csv("new.csv")


def written_predictions() -> bool:
    return pl.read_csv("predicted.csv").columns == ["a", "b", "predicted_c"]


# A document -> what its commands leave behind, beside their exit code.
LEFT: dict[str, Callable[[], bool]] = {
    ".": lambda: Path("outputs/my_sweep/report.html").exists() and written_predictions(),
    "src/small_nets/data": written_predictions,
    "src/small_nets/run": lambda: Path("outputs/my_circles/features.png").exists(),
    "src/small_nets/sweep": lambda: len(Store(Path("outputs/my_rates")).read()) == 400,
}


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("name", [
    n if n == "." else pytest.param(n, marks=pytest.mark.more)
    for n, path in DOCUMENTS.items() if lines(path)
])  # fmt: skip
def test_every_command_runs(name: str) -> None:
    """As printed and in order, with fewer epochs and seeds."""
    for line in lines(DOCUMENTS[name]):
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's, of a user's own Trainer
        for text in blocks(DOCUMENTS[name], "python") if name != "." else ():
            exec(text.replace("max_epochs=100", "max_epochs=2"), {})  # a document of ours
    assert LEFT.get(name, lambda: True)()


def test_the_rooms_are_tested() -> None:
    assert LEFT.keys() <= DOCUMENTS.keys()
    assert sum(len(lines(path)) for path in DOCUMENTS.values()) > 25


@pytest.mark.usefixtures("tables")
def test_the_notebook_lines_run() -> None:
    (text,) = blocks(ROOT / "README.md", "python")
    run("+experiment=sine", "hydra.run.dir=outputs/my_sine", *SHORT)
    found = {
        "load": load,
        "run": lambda *words: run(*words, *SHORT),
        "sweep": lambda *words: sweep(*words, *SHORT, "seed=range(3)"),
    }
    first, *calls = filter(None, text.splitlines())
    assert first == "from small_nets.notebook import load, run, sweep"
    one, many, again = (eval(line, dict(found)) for line in calls)  # a document of ours
    assert isinstance(one, Outcome)
    assert len(many) == 6
    assert len(again) == 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_are_there(name: str) -> None:
    path = DOCUMENTS[name]
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        is_of_the_web = link.startswith("https://")
        assert is_of_the_web or (path.parent / link).stat().st_size > 500, link


@pytest.mark.parametrize("path", [p for n, p in ROOMS.items() if n != "src"])
def test_every_room_is_named_in_the_readme(path: Path) -> None:
    assert f"({path.relative_to(ROOT)})" in README


def test_the_examples_of_the_table_are_real() -> None:
    table = README[README.index("| experiment") : README.index("## Where to read on")]
    named = re.findall(r"`(\w+)`", re.sub(r"(?m)\|[^|]*\|$", "", table))
    assert len(named) > 25
    assert set(named) <= set(conf_files.experiments())


def test_every_choice_is_named() -> None:
    text = (ROOT / "conf" / "README.md").read_text()
    for group in ("optimizer", "scheduler", "loss"):
        row = next(x for x in text.splitlines() if x.startswith("|") and f"`{group}=" in x)
        listed = {name for found in re.findall(rf"`{group}=([^`]+)`", row)
                  for name in found.split("\\|")}  # fmt: skip
        real = set(conf_files.choices(group))
        assert listed <= real
        plain = {name for name in real if not name.endswith("_by_hand")} - {"table"}
        assert plain <= listed


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 900


def test_the_house_names_real_files() -> None:
    text = (ROOT / "src" / "README.md").read_text()
    named = re.findall(r"`([\w/]+/\w+\.py)`", text)
    assert len(named) > 15
    for name in named:
        assert any((ROOT / folder / name).is_file() for folder in ("", "src/small_nets")), name
