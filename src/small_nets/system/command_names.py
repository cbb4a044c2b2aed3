"""What the commands are called where this one was started: messages print what can be typed."""

import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
INSTALLED = {"train": "small-nets", "predict": "small-nets-predict", "report": "small-nets-report"}


def command_words(name: str) -> list[str]:
    """train, predict or report, as the words to type.

    In a checkout `python -m src.NAME`: there the package `src` is what was started or imported,
    and holds this one. Otherwise the command that pip installed.
    """
    door = getattr(sys.modules.get("src"), "__file__", None)
    if door is not None and Path(door).resolve().parent == PACKAGE.resolve().parent:
        return ["python", "-m", f"src.{name}"]
    return [INSTALLED[name]]


def command(name: str) -> str:
    """train, predict or report, as it is typed."""
    return " ".join(command_words(name))
