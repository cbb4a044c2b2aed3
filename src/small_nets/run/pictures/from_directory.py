"""The pictures that teach, for a run that is over: from its directory, into its directory."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from small_nets.run.build.build import build
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.run.outputs.trajectory import LARGEST
from small_nets.run.pictures.all_pictures import Lesson, draw_lessons, walk_again

EVENTS = ".lessons"


def teach(directory: Path, console: Console) -> list[Path]:
    """Draw every picture that applies to the run into its directory; the files written.

    Only files of these names are overwritten. Where the run has TensorBoard events, the pictures
    go there too, in an event file of their own. A run that left no path of its training (one
    of a sweep, or engine=stacked) is trained once more for the pictures that need it.
    Raises InputError for what is no run's directory, OSError where it cannot be written.
    """
    stored = StoredRun.read(directory)
    lesson = _lesson(stored, console)
    has_events = any(directory.glob("events.out.tfevents.*"))
    logger = TensorBoard(directory, EVENTS) if has_events else None
    try:
        return draw_lessons(lesson, directory, console, logger)
    finally:
        if logger is not None:
            logger.close()


def _lesson(stored: StoredRun, console: Console) -> Lesson:
    result, run = stored.result, stored.run()
    lesson = Lesson.of(run, run, result, stored.path(run.net))
    numbers = sum(p.numel() for p in run.net.parameters())
    untrained = lesson.step == 0 or run.data.train.target is None
    if lesson.path is not None or untrained or numbers > LARGEST:
        return lesson
    until = result.epochs if result.status == "stopped" else None
    return walk_again(run, replace(build(run.config), until=until), console)
