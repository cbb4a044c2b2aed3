"""Every command in a folder whose name no shell, pattern or grammar likes; and as it is printed."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from small_nets.config.grammar_quoting import to_the_letter
from small_nets.sweep.store.store import Store
from tests.conftest import ROOT
from tests.warm import Warm

NAME = "a [1] {b} 50% ü'=*"
LINE = ("+experiment=proportional", "trainer.max_epochs=5", "logger=none")
Call = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / NAME
    found.mkdir()
    return found


@pytest.fixture
def call(folder: Path, forks: Warm) -> Call:
    """Runs a command in the folder; what it said. code: its exit code."""

    def call(module: str, *arguments: str, code: int = 0) -> str:
        told = os.environ | {"PYTHONPATH": str(ROOT)}
        found = forks.run(module, arguments, folder, told)
        said = "".join(
            (folder.parent / f"{folder.name}.{name}").read_text() for name in ("out", "err")
        )
        assert found == code, said
        return said

    return call


def pasted(said: str, what: str) -> list[str]:
    """The words of a command in a text, as a shell takes them: after `what`, to the line's end."""
    found = re.search(f"{re.escape(what)}(.*)", said)
    assert found is not None, said
    return shell_words(f"{what}{found[1]}")


def shell_words(text: str) -> list[str]:
    script = f'for word in {text}; do printf "%s\\0" "$word"; done'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("is_absolute", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_one_run(folder: Path, call: Call, is_absolute: bool) -> None:
    where = str(folder / "run [2]") if is_absolute else "run [2]"
    said = call("src.train", *LINE[:2], f"hydra.run.dir={to_the_letter(where)}")
    assert (folder / "run [2]" / "result.json").exists()
    assert pasted(said, "tensorboard --logdir ")[2:] == ["run [2]"]
    said = call("src.predict", where, "--inputs", "[[2.0]]")
    assert "2" in said
    (folder / "n[1].csv").write_text("x\n2\n3\n")
    (folder / "n1.csv").write_text("x\n7\n")
    call("src.predict", where, "--inputs", "n[1].csv", "--out", "p[1].csv")
    assert len((folder / "p[1].csv").read_text().splitlines()) == 3
    assert "fit.png" not in call("src.report", where)
    more = f"ckpt={to_the_letter(where + '/checkpoint.ckpt')}"
    call("src.train", *LINE, "trainer.max_epochs=7", more, "hydra.run.dir=more")
    assert json.loads((folder / "more" / "result.json").read_text())["epochs"] == 7
    shutil.rmtree(folder / "run [2]" / ".hydra")
    call("src.predict", where, "--inputs", "[[2.0]]")


@pytest.mark.more
@pytest.mark.parametrize("is_absolute", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_sweep(folder: Path, call: Call, is_absolute: bool) -> None:
    where = str(folder / "t[4]") if is_absolute else "t[4]"
    to = f"sweep.dir={to_the_letter(where)}"
    said = call("src.train", "-m", *LINE, "seed=1,2", to)
    report = pasted(said, "python -m src.report ")
    assert report[3:] == [where]
    assert "2 already there" in call("src.train", "-m", *LINE, "seed=1,2", to)
    said = call("src.train", "-m", *LINE, "seed=1,2,3", to, "sweep.directories=1", "sweep.verify=1")
    assert "1 runs to train" in said or "1 run to train" in said
    more = pasted(said, "the same command with ")[4:]
    call("src.train", "-m", *LINE, "seed=1,2,3", *more)
    assert (folder / "t[4]" / "2" / "result.json").exists()
    call(*report[2:], "--format", "csv")
    call(*report[2:])
    assert (folder / "t[4]" / "report.html").exists()
    call(*report[2:], "--tensorboard", "best:1")
    call(*report[2:], "--rerun", "1")
    shutil.rmtree(folder / "t[4]" / "0")
    call("src.predict", f"{where}/0", "--inputs", "[[2.0]]")
    shutil.rmtree(folder / "t[4]" / "1" / ".hydra")
    call("src.predict", f"{where}/1", "--inputs", "[[2.0]]")


@pytest.mark.more
def test_a_search(folder: Path, call: Call) -> None:
    line = ("-m", "hydra/sweeper=search", *LINE, "optimizer.lr=interval(0.001,0.1)",
            "search.seeds=1", "search.batch=2", f"sweep.dir={to_the_letter('s[1]')}")  # fmt: skip
    said = call("src.train", *line, "search.trials=2")
    assert pasted(said, "python -m src.report ")[3:] == ["s[1]"]
    call("src.train", *line, "search.trials=3")
    assert len(Store(folder / "s[1]").read()) == 3
    alone = pasted(said, "best run alone:      ")[-1:]
    assert alone[0].startswith("seed=")


@pytest.mark.more
@pytest.mark.parametrize("kind", ["parquet", pytest.param("csv", marks=pytest.mark.slow)])
def test_a_table_with_another_of_a_similar_name(kind: str, folder: Path, call: Call) -> None:
    """d[1].csv as a pattern is d1.csv, which is beside it, and holds other numbers."""
    for name, slope in (("d[1]", 2.0), ("d1", -5.0)):
        table = pl.DataFrame({"x": [float(i) for i in range(20)]})
        table = table.with_columns((pl.col("x") * slope).alias("y"))
        path = folder / f"{name}.{kind}"
        path.write_bytes(b"")
        with path.open("wb") as file:
            (table.write_csv if kind == "csv" else table.write_parquet)(file)
    where = folder / f"d[1].{kind}"
    line = ("data=table", f"data.path={to_the_letter(str(where))}", "data.inputs=[x]",
            "data.target=y", "trainer.max_epochs=200", "optimizer=adam", "optimizer.lr=0.1",
            "logger=none")  # fmt: skip
    call("src.train", *line, "hydra.run.dir=run")
    call("src.predict", "run", "--inputs", f"d[1].{kind}", "--out", f"p[1].{kind}")
    out = folder / f"p[1].{kind}"
    with out.open("rb") as file:
        found = pl.read_csv(file) if kind == "csv" else pl.read_parquet(file)
    assert found["y"][10] == 20.0
    assert abs(found["predicted_y"][10] - 20.0) < 5.0
    call("src.train", "-m", *line, "seed=1,2", "sweep.dir=s")
    said = call("src.predict", "s/1")
    assert "predicted y" in said
