"""The pictures that teach, for a run that is over: from its directory, into its directory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from src.build import build
from src.errors import InputError
from src.lessons import Lesson, draw_lessons, walk_again
from src.predict import read_run
from src.run import Run
from src.tensorboard import TensorBoard
from src.trajectory import LARGEST, load_trajectory
from src.weights import fill

EVENTS = ".lessons"


def teach(directory: Path, console: Console) -> list[Path]:
    """Draw every picture that applies to the run into its directory; the files written.

    Only files of these names are overwritten. Where the run has TensorBoard events, the pictures
    go there too, in an event file of their own. A run that left no path of its training (one
    of a sweep, or engine=stacked) is trained once more for the pictures that need it.
    Raises InputError for what is no run's directory, OSError where it cannot be written.
    """
    config, weights = read_run(directory)
    about = _result(directory)
    run = _built(config)
    fill(run.net, weights.parameters)
    run.net.eval()
    lesson = _lesson(directory, run, about, console)
    has_events = any(directory.glob("events.out.tfevents.*"))
    logger = TensorBoard(directory, EVENTS) if has_events else None
    try:
        return draw_lessons(lesson, directory, console, logger)
    finally:
        if logger is not None:
            logger.close()


def _built(config: dict[str, Any]) -> Run:
    try:
        return build(config | {"ckpt": None})
    except KeyError as error:
        raise InputError(f"the run's config has no {error}: another version wrote it") from error


def _result(directory: Path) -> dict[str, Any]:
    path = directory / "result.json"
    try:
        found = json.loads(path.read_text())
        return {key: found[key] for key in ("status", "epochs", "steps", "curves")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the result of a run: {error}\n"
            "Expected: the directory of a finished run, below outputs/"
        ) from error


def _end(run: Run, curves: dict[str, list[float]], last: int, diverged: bool) -> int:
    """The step whose parameters the run ended with: with early stopping, the best one's."""
    losses = curves.get("val/loss", curves.get("train/loss", []))
    if run.early_stop is None or diverged or not losses:
        return last
    return int(curves["step"][losses.index(min(losses))])


def _lesson(directory: Path, run: Run, about: dict[str, Any], console: Console) -> Lesson:
    diverged = about["status"] == "diverged"
    # null stands for what was not finite.
    curves = {
        name: [float("nan") if v is None else v for v in values]
        for name, values in about["curves"].items()
    }
    step = _end(run, curves, int(about["steps"]), diverged)
    stored = directory / "path.safetensors"
    if stored.is_file():
        path = load_trajectory(stored, run.net)
        return Lesson(run, run, path, curves, step, diverged)
    numbers = sum(p.numel() for p in run.net.parameters())
    if step == 0 or run.data.train.target is None or numbers > LARGEST:
        return Lesson(run, run, None, curves, step, diverged)
    until = int(about["epochs"]) if about["status"] == "stopped" else None
    return walk_again(run, replace(_built(run.config), until=until), console)
