"""The fit as it is learned: its picture at moments along the path of training."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from small_nets.run.figures.animation import Moment, frame_png, frames, to_gif
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.trajectory import Trajectory, parameters_at, spread
from small_nets.run.pictures.fit import draw_fit, moving
from small_nets.run.spec import Run

SLIDER = 10  # moments in TensorBoard, the end among them
FRAMES = 40
GIF_DPI = 60
SLIDER_DPI = 65  # of the moments before the last: a third of the time of 100


def _moments(
    run: Run, path: Trajectory, chosen: Sequence[int], curves: Mapping[str, Sequence[float]],
    title: str,
) -> Iterator[Moment]:  # fmt: skip
    losses = dict(zip(curves["step"], curves.get("train/loss", ()), strict=False))
    for i in chosen:
        step = path.steps[i]
        loss = f", train/loss {losses[step]:.3g}" if step in losses else ""
        with parameters_at(run.net, path.at(i)):
            panels = moving(run)
        if panels is not None:
            yield Moment(f"{title}step {step:,}{loss}", panels)


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
    drawn = frames(figure, _moments(run, path, chosen, curves, ""))
    for i, frame in zip(chosen, drawn, strict=True):
        height, width, _ = frame.shape
        logger.log_png("figures/fit", frame_png(frame), width, height, path.steps[i])


def gif(
    run: Run, path: Trajectory, curves: Mapping[str, Sequence[float]]
) -> tuple[bytes, int, int] | None:
    """The fit along the path as a GIF file, its width and height; None where nothing moves."""
    if len(path) < 2 or moving(run) is None:
        return None
    figure = draw_fit(run, run.name)  # a title, so that there is room for one
    figure.set_dpi(GIF_DPI)
    figure.draw_without_rendering()  # for its layout
    chosen = spread(path.steps, FRAMES)
    drawn = list(frames(figure, _moments(run, path, chosen, curves, f"{run.name}, ")))
    height, width, _ = drawn[0].shape
    return to_gif(drawn), width, height
