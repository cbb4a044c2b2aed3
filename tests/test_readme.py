"""The README's commands, as printed, mean what they say."""

import re
import shlex

import pytest

from src import conf_files
from src.compose import compose_settings
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
TRAIN = [line for line in BLOCKS.splitlines() if "src.train" in line and "--help" not in line]


@pytest.mark.parametrize("line", TRAIN)
def test_a_training_command_composes(line: str) -> None:
    words = shlex.split(line.partition("src.train")[2])
    # A sweep's comma lists are taken at their first value.
    words = [re.sub(r"^(-m)$", "", w) for w in words]
    overrides = [w.partition(",")[0] if "=[" not in w else w for w in words if w]
    settings, _ = compose_settings(*overrides)
    assert settings["name"] in conf_files.experiments()


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
    assert "RATIO" not in README


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200
