"""The README's commands, as printed, mean what they say."""

import re
import shlex
from collections.abc import Callable

import pytest

from src import conf_files
from src.compose import compose_settings
from tests.conftest import ROOT, Swept

README = (ROOT / "README.md").read_text()
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
TRAIN = [line for line in BLOCKS.splitlines() if "src.train" in line and "--help" not in line]


RUNS = [line for line in TRAIN if " -m " not in line.partition("src.train")[2]]


@pytest.mark.parametrize("line", RUNS)
def test_a_training_command_composes(line: str) -> None:
    settings, _ = compose_settings(*shlex.split(line.partition("src.train")[2]))
    assert settings["name"] in conf_files.experiments()


@pytest.mark.parametrize("line", [line for line in TRAIN if line not in RUNS])
def test_a_sweep_has_a_plan(line: str, sweep: Callable[..., Swept]) -> None:
    words = shlex.split(line.partition("src.train")[2])[1:]
    words = [w for w in words if not w.startswith("sweep.dir")]
    assert re.search(r"Sweep: [\d,]+ runs to train\n", sweep(*words, "sweep.dry_run=true").text)


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
