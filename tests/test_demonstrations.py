"""The demonstrations: five lines each, whose command runs as printed."""

import re
import shlex
from pathlib import Path

import pytest

from small_nets.config import conf_files
from small_nets.notebook import sweep
from tests.conftest import ROOT

TEXTS = {path.stem: path for path in sorted((ROOT / "conf" / "demonstrations").glob("*.md"))}
LINES = ("Lesson", "Command", "What comes out", "Where to look", "Source")


@pytest.mark.parametrize("name", TEXTS)
def test_it_has_its_five_lines(name: str) -> None:
    title, blank, *lines = TEXTS[name].read_text().splitlines()
    assert title.startswith("# ")
    assert blank == ""
    assert [re.match(r"\*\*(.+?)\.?\*\*", line)[1] for line in lines] == [*LINES]  # type: ignore[index]
    assert name in (*conf_files.experiments(), *conf_files.choices("sweep"))
    assert f"(demonstrations/{name}.md)" in (ROOT / "conf" / "README.md").read_text()


@pytest.mark.more
@pytest.mark.parametrize("name", TEXTS)
def test_its_command_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, with fewer epochs and seeds."""
    monkeypatch.chdir(tmp_path)
    found = re.search(r"(?m)^\*\*Command\*\*.*?`(.+)`$", TEXTS[name].read_text())
    assert found is not None
    *start, multirun = shlex.split(found[1])[:4]
    assert (start, multirun) == (["python", "-m", "src.train"], "-m")
    words = [re.sub(r"range\(\d+\)", "range(2)", w) for w in shlex.split(found[1])[4:]]
    assert f"+experiment={name}" in words or f"+sweep={name}" in words
    table = sweep(*words, "seed=range(2)", "trainer.max_epochs=2", "sweep.directories=0")
    assert set(table["status"]) == {"completed"}
    assert len(list((tmp_path / "outputs").iterdir())) == 1
