"""One run: a built run in, its result and its directory out. Knows no Hydra."""

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.console import Console

from small_nets.data.table_settings import completed
from small_nets.nn.early_stopping import losses_in
from small_nets.run.figures.loss import loss_figure
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.result import Ending, Result
from small_nets.run.outputs.run_events import log_end, log_session
from small_nets.run.outputs.weights import save_weights
from small_nets.run.pictures.all_pictures import Lesson, draw_lessons, walk_again
from small_nets.run.pictures.classes import draw_confusion, tells_classes
from small_nets.run.pictures.fit import draw_fit, save_png
from small_nets.run.pictures.fit_over_time import log_slider
from small_nets.run.result_contents import conclude
from small_nets.run.spec import Run
from small_nets.run.terminal.run_summary import show_end
from small_nets.system.signals import interruption

Train = Callable[[Run, TensorBoard | None, Path, Console], Ending]


def fit(
    run: Run,
    directory: Path,
    console: Console,
    started: float | None = None,
    train: Train | None = None,
    is_session: bool = True,
) -> Result:
    """Train (or only evaluate), and leave the run directory as `outputs.result` describes it.

    directory: an existing directory of this run's own. started: time.perf_counter() when the
    command began, for `seconds.total`. train: what trains it, Lightning unless told otherwise.
    is_session: whether TensorBoard's HParams tab is to list it.
    After Ctrl-C what was trained is kept, but pictures=all. Raises OSError where the directory
    cannot be written.
    """
    started = time.perf_counter() if started is None else started
    with interruption(lambda text: console.print(text)) as stopped:
        torch.set_num_threads(run.threads)
        logger = TensorBoard(directory) if run.tensorboard else None
        # An engine leaves no path of its training, which most pictures need.
        has_all = run.pictures == "all"
        untrained = copy.deepcopy(run) if has_all and train is not None else None

        ending, seconds = _train(run, train, logger, directory, console)
        result, figures = conclude(run, ending, seconds, console)
        _save(run, ending, result, directory)
        if run.pictures != "none":
            _draw(run, ending, result, figures, directory, logger)
        if has_all and not stopped():  # `report` draws them at any time
            _draw_lessons(run, ending, untrained, directory, console, logger)
        if logger is not None:
            log_end(logger, run, result)
            if is_session:
                log_session(logger, run, result)
            logger.close()

        result.seconds["total"] = time.perf_counter() - started
        result.write(directory)  # again, with the time that the pictures took
        show_end(console, run, result, directory, ending.kept)
        return result


def _train(
    run: Run, train: Train | None, logger: TensorBoard | None, directory: Path, console: Console
) -> tuple[Ending, float]:
    """How it ended, and the seconds it took; its points are in the logger."""
    if train is None:
        from small_nets.run.lightning.train import (
            train_by_lightning as train,  # engines need no Lightning
        )
    began = time.perf_counter()
    ending = train(run, logger, directory, console)
    seconds = time.perf_counter() - began
    if logger is not None and not ending.logged:
        logger.log_curves(ending.curves)
    return ending, seconds


def _save(run: Run, ending: Ending, result: Result, directory: Path) -> None:
    """Before any picture: what was trained is kept, whatever happens to them."""
    about = completed(run.config["data"])
    save_weights(directory / "weights.safetensors", run.net, run.data, about)
    if ending.path is not None:
        ending.path.save(directory / "path.safetensors")
    result.write(directory)


def _draw(
    run: Run, ending: Ending, result: Result, figures: dict[str, Figure], directory: Path,
    logger: TensorBoard | None,
) -> None:  # fmt: skip
    """The pictures that every run has, beside those that its analysis drew."""
    title = f"{run.name}, seed {run.seed}"
    if result.status != "completed":
        title += f": {result.status} at step {result.steps}"
    figures = figures | {"fit": draw_fit(run, title)}
    if tells_classes(run):
        figures["confusion"] = draw_confusion(run, title)
    if len(result.curves["step"]) > 1:
        figures["loss"] = loss_figure(
            result.curves, result.baseline, title, ending.kept, run.data.is_target_normalised
        )
    for name, figure in figures.items():
        png, width, height = save_png(figure, directory / f"{name}.png")
        if logger is not None:
            if name == "fit" and ending.path is not None:
                # In front of the last one: TensorBoard takes a smaller step for a restart.
                log_slider(logger, figure, run, ending.path, result.steps, ending.curves)
            logger.log_png(f"figures/{name}", png, width, height, result.steps)


def _draw_lessons(
    run: Run, ending: Ending, untrained: Run | None, directory: Path, console: Console,
    logger: TensorBoard | None,
) -> None:  # fmt: skip
    """The pictures that teach."""
    try:
        if untrained is not None:
            lesson = walk_again(run, untrained, console)
        else:
            lesson = Lesson.of(run, run, ending, ending.path)
        draw_lessons(lesson, directory, console, logger)
    except KeyboardInterrupt:
        console.print("the pictures that teach were not drawn; `report` draws them at any time")


def final_loss(result: Result) -> float | None:
    """What a sweeper minimises: val/loss, or train/loss without a validation split.

    NaN for a run that diverged, also where early stopping kept finite parameters.
    """
    if result.status == "diverged":
        return math.nan
    return next((result.metrics[name] for name in losses_in(result.metrics)), None)
