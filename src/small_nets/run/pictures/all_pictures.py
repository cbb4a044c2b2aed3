"""The pictures that teach: which of them apply to a trained run, and their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.console import Console

from small_nets.run.evaluate import is_finite
from small_nets.run.figures.figure import to_png
from small_nets.run.figures.hidden_layers import features_figure
from small_nets.run.figures.learning_rates import sharpness_figure
from small_nets.run.figures.surface import surface_figure
from small_nets.run.figures.unit_contributions import parts_figure
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.provenance import refuse_foreign
from small_nets.run.outputs.result import Ending, Result
from small_nets.run.outputs.trajectory import LARGEST, Trajectory
from small_nets.run.pictures.finer_path import trained_quietly, with_its_beginning
from small_nets.run.pictures.fit import is_one_curve, shown_inputs
from small_nets.run.pictures.fit_over_time import gif
from small_nets.run.pictures.hidden_units import see_features, take_apart
from small_nets.run.pictures.loss_surface import SHARP, plane, sharpness, surface, trained_pair
from small_nets.run.spec import Run
from small_nets.run.stability import stability
from small_nets.system.atomic_file import write_whole


@dataclass(frozen=True)
class Lesson:
    """A run to be looked into. Its net holds the final parameters.

    diverged: whether the parameters are what a run diverged to, and not the best before.
    path: of the training of `walked`, None where there is none; walked: the run that left it,
    which is the run itself, or the same one trained again. curves: of `walked`. step: where the
    parameters of `walked` stand.
    """

    run: Run
    walked: Run
    path: Trajectory | None
    curves: Mapping[str, Sequence[float]]
    step: int
    diverged: bool

    @classmethod
    def of(cls, run: Run, walked: Run, end: Ending | Result, path: Trajectory | None) -> "Lesson":
        """The lesson of a run. end, path: of `walked`, which is the run itself or its like."""
        step = int(end.curves["step"][-1]) if end.kept is None else end.kept
        return cls(run, walked, path, end.curves, step, end.is_lost)

    @property
    def title(self) -> str:
        return f"{self.run.name}, seed {self.run.seed}"


def walk_again(run: Run, untrained: Run, console: Console) -> Lesson:
    """The lesson of a run whose training left no path: the same run, trained once more for one.

    untrained: the run as it was built. A program that adds in another order may end a little
    elsewhere, so all pictures of the path are of `untrained`, which ends where its path does.
    """
    console.print("this run kept no path of its training: it is trained once more, alone, for one")
    ending = trained_quietly(untrained)
    untrained.net.eval()
    return Lesson.of(run, untrained, ending, ending.path)


def draw_lessons(
    lesson: Lesson, directory: Path, console: Console, logger: TensorBoard | None
) -> list[Path]:
    """Write every picture that applies to the run, in place of older ones, and log it.

    Raises OSError where the directory cannot be written.
    """
    written = []
    if lesson.path is not None and is_finite(lesson.walked.net):
        finer = with_its_beginning(lesson.walked, lesson.path)
        lesson = replace(lesson, path=finer)
    for name, (content, width, height) in _files(lesson, console):
        path = directory / name
        refuse_foreign([path])
        write_whole(path, content, sync=False)  # it can be drawn again
        if logger is not None:
            logger.log_png(f"figures/{path.stem}", content, width, height, lesson.step)
        written.append(path)
    return written


def _files(lesson: Lesson, console: Console) -> Iterator[tuple[str, tuple[bytes, int, int]]]:
    """Name -> content, width and height in pixels."""
    for name, figure in _figures(lesson, console):
        yield f"{name}.png", to_png(figure)
    if lesson.path is not None:
        animated = gif(lesson.walked, lesson.path, lesson.curves)
        if animated is not None:
            yield "training.gif", animated


def _figures(lesson: Lesson, console: Console) -> Iterator[tuple[str, Figure]]:
    """Draw one after the other, so that no more than one is held."""
    run, title = lesson.run, lesson.title
    labels = run.labels
    if not is_finite(run.net):
        return  # nothing to take apart, and no point around which a surface could lie
    if is_one_curve(run):
        parts = take_apart(run.net, run.data, shown_inputs(run))
        if parts is not None:
            scaled = run.data.is_target_normalised
            y = f"{labels.target} (normalised)" if scaled else labels.target
            yield "parts", parts_figure(parts, f"{title}: the curve taken apart", (labels.input, y))
    names = labels.of_inputs(2)
    predicted = f"predicted {labels.target}"
    panels = see_features(run.net, run.data, (names[0], names[1]), predicted)
    if panels is not None:
        yield "features", features_figure(panels, f"{title}: how the hidden layers move the rows")
    yield from _of_the_path(lesson, console)


def _of_the_path(lesson: Lesson, console: Console) -> Iterator[tuple[str, Figure]]:
    run, path = lesson.walked, lesson.path
    numbers = sum(p.numel() for p in run.net.parameters())
    if path is None and numbers > LARGEST and run.max_epochs:
        console.print(
            f"no loss surface and no training.gif: the network has {numbers:,} numbers, and paths "
            f"of training are kept up to {LARGEST:,}",
            soft_wrap=True,
        )
    if path is None or len(path) < 2 or run.data.train.target is None or not is_finite(run.net):
        return
    net, loss, train = run.net, run.loss, run.data.train
    end = torch.cat([p.detach().double().flatten() for p in net.parameters()])
    found = plane(path.flat(), end, trained_pair(net)) if numbers > 1 else None
    if found is not None and lesson.diverged:
        console.print("no loss surface: a run that diverged has no solution to draw it around")
    elif found is not None:
        yield "surface", surface_figure(
            surface(net, loss, train, found), (path.steps[0], lesson.step),
            loss.name, f"{lesson.title}: the loss around the solution",
        )  # fmt: skip
    bound = stability(run)
    free = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if bound is not None and 0 < free <= SHARP:
        sharp = sharpness(net, loss, train, path, bound.at)
        yield "sharpness", sharpness_figure(
            sharp.steps, sharp.largest, sharp.bound, f"{lesson.title}: sharpness along training",
            bound.formula, bound.rule,
        )  # fmt: skip
