"""The fit as it is learned: its picture at moments along the path of training."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from small_nets.run.figures.animation import Moment, frame_png, frames, to_gif
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.trajectory import Trajectory, parameters_at, spread
from small_nets.run.pictures.fit import draw_fit, moving
from small_nets.run.spec import Run

SLIDER = 10  # moments in TensorBoard, the end among them
FRAMES = 40
LOOKED_AT = 120  # moments from which those of the GIF are chosen
GIF_DPI = 80  # letters of 11 pixels
SLIDER_DPI = 65  # of the moments before the last: a third of the time of 100
Values = dict[str, NDArray[np.float64]]


def _values(run: Run, path: Trajectory, i: int) -> Values:
    with parameters_at(run.net, path.at(i)):
        found = moving(run)
    assert found is not None, "asked before"
    return found


def _title(
    run: Run, path: Trajectory, i: int, curves: Mapping[str, Sequence[float]], name: str
) -> str:
    losses = dict(zip(curves["step"], curves.get("train/loss", ()), strict=False))
    step, train = path.steps[i], run.data.train
    assert train.target is not None, "asked before"
    if step not in losses:  # of the path's finer beginning
        with parameters_at(run.net, path.at(i)), torch.no_grad():
            losses[step] = run.loss(run.net(train.input), train.target).item()
    return f"{name}step {step:,}, train/loss {losses[step]:.3g}"


def log_slider(
    logger: TensorBoard, figure: Figure, run: Run, path: Trajectory, last: int,
    curves: Mapping[str, Sequence[float]],
) -> None:  # fmt: skip
    """`figures/fit` at nine moments before step `last`, whose picture is fit.png itself.

    figure: fit.png's, which is used up. Only for what can move: curves and maps.
    """
    earlier = [step for step in path.steps if step < last]
    chosen = spread([*earlier, last], SLIDER)[:-1]
    if not chosen or moving(run) is None:
        return
    figure.set_dpi(SLIDER_DPI)
    moments = (Moment(_title(run, path, i, curves, ""), _values(run, path, i)) for i in chosen)
    drawn = frames(figure, moments)
    for i, frame in zip(chosen, drawn, strict=True):
        height, width, _ = frame.shape
        logger.log_png("figures/fit", frame_png(frame), width, height, path.steps[i])


def by_change(moments: Sequence[Values], count: int) -> list[int]:
    """Positions of `count` moments, the first and the last among them, between which the picture
    changes by about the same (all, where there are no more).

    Steps or their logarithms would show a still picture where training stands still, and jump
    where the fit does. What is far outside all others, as a diverging fit is, counts as an edge.
    """
    n = len(moments)
    if n <= count:
        return list(range(n))
    rows = np.stack([np.concatenate([v.ravel() for v in m.values()]) for m in moments])
    rows = np.where(np.isfinite(rows), rows, 0.0)
    low, high = np.quantile(rows, [0.1, 0.9])
    if high > low:
        rows = rows.clip(low - (high - low), high + (high - low))
    changes = np.abs(np.diff(rows, axis=0)).mean(axis=1)
    # A little for the time itself, so that what stands still is not left out.
    changes = changes + 0.1 * (changes.mean() or 1.0)
    way = np.concatenate([[0.0], changes.cumsum()])
    found: list[int] = []
    for k, wanted in enumerate(np.linspace(0.0, way[-1], count)):
        nearest, least = int(np.abs(way - wanted).argmin()), found[-1] + 1 if found else 0
        found.append(min(max(nearest, least), n - count + k))
    return found


def gif(
    run: Run, path: Trajectory, curves: Mapping[str, Sequence[float]]
) -> tuple[bytes, int, int] | None:
    """The fit along the path as a GIF file, its width and height; None where nothing moves."""
    if len(path) < 2 or moving(run) is None:
        return None
    figure = draw_fit(run, run.name)  # a title, so that there is room for one
    figure.set_dpi(GIF_DPI)
    figure.draw_without_rendering()  # for its layout
    looked_at = spread(path.steps, LOOKED_AT)
    found = [_values(run, path, i) for i in looked_at]
    moments = (
        Moment(_title(run, path, looked_at[k], curves, f"{run.name}, "), found[k])
        for k in by_change(found, FRAMES)
    )
    drawn = list(frames(figure, moments))
    height, width, _ = drawn[0].shape
    return to_gif(drawn), width, height
