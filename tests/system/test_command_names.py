"""The commands that messages print work where this program lies."""

from pathlib import Path

import pytest

from small_nets.system.command_names import CONSTRAINTS, PACKAGE, install_command
from tests.conftest import ROOT


def test_an_extra_in_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert (ROOT / CONSTRAINTS).exists()
    assert install_command("search") == "pip install -c constraints.txt '.[search]'"


def test_an_extra_of_a_checkout_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No relative path, which would name another project, or none."""
    checkout = tmp_path / "a checkout"
    package = checkout / "src" / PACKAGE.name
    package.mkdir(parents=True)
    (checkout / CONSTRAINTS).touch()
    monkeypatch.chdir(tmp_path)
    assert install_command("gp", package) == (
        f"pip install -c '{checkout}/constraints.txt' '{checkout}[gp]'"
    )
    monkeypatch.chdir(checkout)
    assert install_command("gp", package) == "pip install -c constraints.txt '.[gp]'"


def test_an_extra_of_a_wheel(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "site-packages" / PACKAGE.name
    assert install_command("onnx", package) == "pip install 'small-nets[onnx]'"


@pytest.mark.parametrize("extra", ["search", "gp", "onnx", "ray", "slurm"])
def test_every_extra_exists(extra: str) -> None:
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text()
    assert f"[{extra}]" in install_command(extra)
