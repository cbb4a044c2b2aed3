"""What pip installs: the package with its config, and commands that work in any folder."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOORS = {"small-nets": "train", "small-nets-predict": "predict", "small-nets-report": "report"}
Call = Callable[..., str]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip unpacks it; beside it the commands that pip makes of it."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "packages")
    (points,) = (folder / "packages").glob("*/entry_points.txt")
    for line in points.read_text().splitlines()[1:]:
        name, module, function = line.replace(":", " = ").split(" = ")
        path = folder / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
        path.chmod(0o755)
    return folder


@pytest.fixture
def call(installed: Path, tmp_path: Path) -> Call:
    def call(command: str, code: int = 0, **more: str) -> str:
        told = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | more
        told |= {"PYTHONPATH": str(installed / "packages")}
        told["PATH"] = f"{installed}:{Path(sys.executable).parent}:{told['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=told, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def test_all_of_the_package_is_in_the_wheel(installed: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        return {name for name in found if "__pycache__" not in name}

    packages = installed / "packages"
    assert files(packages / "small_nets" / "conf") == files(ROOT / "conf")
    inside = {n for n in files(packages / "small_nets") if not n.startswith("conf/")}
    assert inside == files(ROOT / "src" / "small_nets")
    assert files(packages / "hydra_plugins") == files(ROOT / "hydra_plugins")
    assert {path.name for path in installed.iterdir()} >= set(DOORS)
    assert not (packages / "src").exists()
    assert not (packages / "tests").exists()


@pytest.mark.more
def test_a_run_in_an_empty_folder(call: Call, tmp_path: Path) -> None:
    said = call("small-nets +experiment=xor trainer.max_epochs=5 hydra.run.dir=outputs/x")
    assert "Final metrics" in said
    assert "look at it:    outputs/x/fit.png" in said
    assert "small-nets-report outputs/x\n" in said
    assert "tensorboard --logdir outputs/x\n" in said
    assert {p.name for p in tmp_path.iterdir()} == {"outputs"}
    assert "predicted" in call("small-nets-predict outputs/x --inputs '[[0,1]]'")
    said = call("small-nets-predict outputs/nowhere", code=2)
    assert said.startswith("Error: outputs/nowhere does not exist")
    assert "Fix: small-nets +experiment=sine" in call("small-nets", code=2)
    assert "\n  small-nets -m +experiment=sine" in call("small-nets --help")


@pytest.mark.more
def test_a_sweep_in_an_empty_folder(call: Call, tmp_path: Path) -> None:
    said = call("small-nets -m +experiment=xor trainer.max_epochs=5 seed=0,1 sweep.dir=s")
    assert "look at it:      small-nets-report s" in said
    call("small-nets-report s")
    assert "small-nets -m +experiment=xor" in (tmp_path / "s" / "report.html").read_text()


@pytest.mark.more
def test_a_search_in_an_empty_folder(call: Call) -> None:
    few = "search.trials=2 search.seeds=1 trainer.max_epochs=5"
    said = call(f"small-nets -m hydra/sweeper=search +experiment=xor model.width=3,4 {few}")
    assert "best run alone:      small-nets +experiment=xor" in said


def test_a_checkout_runs_its_own_code(installed: Path, tmp_path: Path) -> None:
    told = os.environ | {"PYTHONPATH": str(installed / "packages")}
    code = (
        "import src.train, small_nets, hydra_plugins.batched\n"
        "print(small_nets.__file__, hydra_plugins.batched.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=told, capture_output=True, text=True, check=True
    )
    assert all(Path(p).is_relative_to(ROOT) for p in done.stdout.split())


@pytest.mark.parametrize(("typed", "offered"), [
    ("small-nets optimizer=ada", "optimizer=adam"),
    ("small-nets +experiment=si", "+experiment=sine"),
    ("small-nets +experiment=sine optimizer.l", "optimizer.lr="),
])  # fmt: skip
def test_tab_completion(call: Call, typed: str, offered: str) -> None:
    script = (
        'eval "$(small-nets -sc install=bash)"; read -ra COMP_WORDS <<< "$COMP_LINE"\n'
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); hydra_bash_completion; echo "${COMPREPLY[@]}"'
    )
    assert offered in call(script, COMP_LINE=typed, COMP_POINT=str(len(typed))).split()
