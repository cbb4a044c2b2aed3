"""The commands that messages print: what can be typed where this program was started."""

import sys
from pathlib import Path

from small_nets.system.shell_words import join

PACKAGE = Path(__file__).parents[1]
CONSTRAINTS = "constraints.txt"  # lies beside pyproject.toml in a checkout, and in no wheel
INSTALLED = {"train": "small-nets", "predict": "small-nets-predict", "report": "small-nets-report"}


def command_words(name: str) -> list[str]:
    """The words that start a command. name: train, predict or report.

    They are `python -m src.NAME` where the package `src` of a checkout was started or imported.
    Otherwise it is the command that pip installed.
    """
    door = getattr(sys.modules.get("src"), "__file__", None)
    if door is not None and Path(door).resolve().parent == PACKAGE.resolve().parent:
        return ["python", "-m", f"src.{name}"]
    return [INSTALLED[name]]


def command(name: str) -> str:
    """What starts a command, as it is typed. name: train, predict or report."""
    return " ".join(command_words(name))


def install_command(extra: str, package: Path = PACKAGE) -> str:
    """The command that installs one of the extras of pyproject.toml.

    A checkout is named by its path, and its constraints apply. A package that pip installed is
    named by its name. package: where this package lies.
    """
    checkout = package.parents[1]
    if not (checkout / CONSTRAINTS).exists():
        return join(["pip", "install", f"small-nets[{extra}]"])
    if checkout.resolve() == Path.cwd():
        return join(["pip", "install", "-c", CONSTRAINTS, f".[{extra}]"])
    return join(["pip", "install", "-c", str(checkout / CONSTRAINTS), f"{checkout}[{extra}]"])
