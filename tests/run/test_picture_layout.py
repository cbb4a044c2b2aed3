"""What no picture may do: texts over one another, a legend over rows, a hidden boundary."""

from collections.abc import Callable
from io import BytesIO
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from small_nets.run.figures.animation import to_gif
from small_nets.run.figures.classes import (
    Labelled,
    confusion_figure,
    probability_curves,
    sureness_figure,
)
from small_nets.run.figures.figure import BLUE, axis_name, distinct, new_figure, step_axis
from small_nets.run.figures.fit import Curve, Points, View, curve_figure, scatter_figure
from small_nets.run.figures.learning_rates import sharpness_figure
from small_nets.run.figures.loss import Line, loss_figure, losses_figure
from small_nets.run.figures.maps import BOUNDARY, Marks, Scale, maps_figure
from small_nets.run.figures.maps import View as MapView
from small_nets.run.figures.surface import Surface, surface_figure

LONG = "a rather long name of the sort that sensors have, in micrometres per second"
SPECIES = [f"another species of the genus, number {i}" for i in range(12)]
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_pictures() -> None:
    """Pictures in their own size, in place of the smaller ones of other tests."""


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """The texts that a drawing of the figure draws."""
    found: list[Text] = []
    draw = Text.draw

    def noted(self: Text, renderer: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append(self)
        draw(self, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        figure.canvas.draw()
    return found


def a_map(
    ratio: float = 1.0, classes: int = 2, title: str = "a title", val: bool = True
) -> MapView:
    """Rows in the middle of a plane whose y is `ratio` times as long as its x."""
    x, y = np.linspace(-1.5, 1.5, 31), ratio * np.linspace(-1.5, 1.5, 31)
    input = RANDOM.uniform(-1, 1, (60, 2)) * [1.0, ratio]
    truth = RANDOM.integers(0, classes, 60).astype(float)
    values = np.add.outer(y / ratio, x) / 6 + 0.5
    if classes > 2:
        values = np.floor(values * classes).clip(0, classes - 1)
    splits = {"train": Marks(input[:40], truth[:40])}
    return MapView(x, y, values, splits | ({"val": Marks(input[40:], truth[40:])} if val else {}),
                   title)  # fmt: skip


def two(names: tuple[str, str] = ("class 0", "class 1")) -> Scale:
    return Scale(f"probability of {names[1]}", names, has_boundary=True)


def settings(count: int) -> list[MapView]:
    title = "optimizer=momentum  lr=0.0316  width=[20,20]  (40 seeds)\nval/loss 0.000316"
    return [a_map(title=title) for _ in range(count)]


def labelled(classes: int, inputs: int) -> dict[str, Labelled]:
    truth = np.arange(60) % classes
    probability = RANDOM.dirichlet(np.ones(classes), 60)
    rows = Labelled(RANDOM.uniform(0, 1, (60, inputs)), truth, probability)
    return {"train": rows, "val": rows}


def a_curve(settings: int) -> Figure:
    x = np.linspace(0, 100, 50)
    label = "optimizer=momentum  lr=0.0316  width=[20,20]  (40 seeds)"
    curves = {f"{i} {label}" if settings > 1 else "fit": Curve(x, np.sin(x / 9) + i)
              for i in range(settings)}  # fmt: skip
    rows = Points(x[:, None], np.sin(x / 9)[:, None], np.sin(x / 9)[:, None])
    tests = curves if settings > 1 else None
    view = View({"train": rows, "val": rows}, curves, LONG, LONG, f"{LONG}, {LONG}", None, tests)
    return curve_figure(view)


def a_surface(low: float, high: float, names: tuple[str, str], is_whole: bool) -> Figure:
    x = np.linspace(-1, 1, 21)
    loss = low * (high / low) ** (np.add.outer(x**2, x**2) / 2)
    path = np.stack([x, x**2], axis=1)
    found = Surface(x, x, loss, path, path[-1], names, is_whole)
    return surface_figure(found, (0, 1_000_000), "cross_entropy_by_hand", f"{LONG}, seed 42")


def a_loss(low: float, high: float, last: int, kept: int | None) -> Figure:
    steps = np.linspace(0, last, 60).tolist()
    values = np.geomspace(high, low, 60).tolist()
    curves = {"step": steps, "train/loss": values, "val/loss": values}
    return loss_figure(curves, {"train/loss": high}, f"{LONG}, {LONG}", kept, True)  # fmt: skip


PICTURES: dict[str, Callable[[], Figure]] = {
    "two classes": lambda: maps_figure([a_map()], two(), ("x 1", "x 2")),
    "flat": lambda: maps_figure([a_map(0.5)], two(), ("x 1", "x 2")),
    "high": lambda: maps_figure([a_map(2.8)], two(), ("x 1", "x 2")),
    "other units": lambda: maps_figure([a_map(1e4)], two(), (LONG, LONG)),
    "long classes": lambda: maps_figure([a_map()], two((LONG, SPECIES[1])), (LONG, LONG), LONG),
    "numbers": lambda: maps_figure([a_map(1e-4)], Scale(LONG), (LONG, LONG)),
    "many classes": lambda: maps_figure(
        [a_map(classes=12, title=LONG)], Scale("species", SPECIES), (LONG, LONG)
    ),
    "2 maps": lambda: maps_figure(settings(2), two(), ("x 1", "x 2"), f"{LONG}, {LONG}"),
    "5 maps": lambda: maps_figure([a_map(0.5)] * 5, two(), ("x 1", "x 2"), "five"),
    "12 maps": lambda: maps_figure(settings(12), two((LONG, LONG)), (LONG, LONG), LONG),
    "24 maps": lambda: maps_figure(settings(24), two(), ("x 1", "x 2"), LONG),
    "a curve": lambda: a_curve(1),
    "12 curves": lambda: a_curve(12),
    "4 targets": lambda: scatter_figure(
        {"train": Points(np.zeros((9, 1)), RANDOM.normal(0, 1e5, (9, 5)), np.ones((9, 5)))},
        LONG, [LONG] * 5,
    ),
    "confusion": lambda: confusion_figure(np.eye(12, dtype=int) * 12_345, SPECIES, LONG),
    "sureness": lambda: sureness_figure(labelled(12, 3), SPECIES, LONG, LONG),
    "probabilities": lambda: probability_curves(
        np.linspace(0, 1, 20), RANDOM.dirichlet(np.ones(3), 20), labelled(3, 1), SPECIES[:3],
        (LONG, LONG), LONG,
    ),
    "two parameters": lambda: a_surface(1e-9, 1e3, (LONG, LONG), True),
    "flat loss": lambda: a_surface(0.021, 0.026, ("first direction (96.3% of the path's variance)",
                                                  "second"), False),
    "loss of decades": lambda: a_loss(1e-12, 1e3, 10_000_000, None),
    "loss of one": lambda: a_loss(0.03, 0.4, 10, 5),
    "loss of less": lambda: a_loss(0.0205, 0.022, 100_000, 5),
    "12 losses": lambda: losses_figure(
        [Line(f"{i} {LONG}", [0.0, 1.0], [1.0, 0.5]) for i in range(12)], LONG, "val/loss"
    ),
    "sharpness": lambda: sharpness_figure(
        [0, 10_000], [1e-14, 3.0], [40.0, 40.0], LONG, "(2 + 2β) / ((1 + 2β) η)",
        "gradient descent with Nesterov's momentum",
    ),
}  # fmt: skip


QUICK = (
    "two classes", "long classes", "many classes", "2 maps", "a curve", "4 targets",
    "two parameters", "loss of one", "loss of less", "sharpness",
)  # fmt: skip


@pytest.mark.parametrize("name", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PICTURES
])  # fmt: skip
def test_no_text_lies_on_another_or_is_cut_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = PICTURES[name]()
    found = [(t.get_text(), t.get_window_extent()) for t in drawn_texts(figure, monkeypatch)]
    assert len(found) > 8
    whole = figure.bbox
    for text, box in found:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1
        assert inside, f"{text!r} is cut off: {box}, in {whole}"
    for (one, a), (other, b) in combinations(found, 2):
        shared = (min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0))
        assert min(shared) <= 1, f"{one!r} lies on {other!r}"


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_circles_are_circles_and_the_legend_lies_on_no_row(ratio: float) -> None:
    view = a_map(ratio)
    figure = maps_figure([view], two(), ("x 1", "x 2"))
    figure.canvas.draw()
    (ax,) = figure.axes
    at = ax.transData.transform([[0, 0], [1, 0], [0, 1]])
    assert at[1, 0] - at[0, 0] == pytest.approx(at[2, 1] - at[0, 1], rel=1e-6)
    rows = np.concatenate([split.input for split in view.splits.values()])
    if ratio < 2:  # a narrow map has no room for it, and it lies below
        legend = ax.get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        assert not any(box.contains(*row) for row in ax.transData.transform(rows))
        assert all(ax.bbox.contains(*corner) for corner in box.corners())


def test_units_that_differ_have_scales_of_their_own() -> None:
    figure = maps_figure([a_map(1e4)], two(), ("age", "income"))
    assert figure.axes[0].get_aspect() == "auto"


@pytest.mark.parametrize("count", [1, 5])
def test_the_boundary_lies_above_the_rows(count: int) -> None:
    figure = maps_figure([a_map()] * count, two(), ("x 1", "x 2"))
    for ax in figure.axes[:count]:
        (line,) = (c for c in ax.collections if c.get_gid() == BOUNDARY)
        assert all(line.get_zorder() > c.get_zorder() for c in ax.collections if c is not line)


def test_each_of_several_classes_has_its_boundary() -> None:
    (ax,) = maps_figure([a_map(classes=3)], Scale("kind", ["a", "b", "c"]), ("x", "y")).axes
    lines = [c for c in ax.collections if c.get_gid() == BOUNDARY]
    assert len(lines) == 2  # of the second and of the third: the first ends where these begin
    marks = [c for c in ax.collections if c.get_gid() != BOUNDARY]
    assert min(c.get_zorder() for c in lines) > max(c.get_zorder() for c in marks)


def test_names_are_told_apart_when_they_are_cut() -> None:
    assert distinct(["yes", "no"]) == ["yes", "no"]
    cut = distinct(SPECIES)
    assert len(set(cut)) == len(SPECIES)
    assert max(map(len, cut)) <= 18
    assert distinct([LONG, LONG])[0].startswith("a rather")
    assert len(axis_name(LONG)) <= 50


def test_steps_are_whole_numbers() -> None:
    figure, (ax,) = new_figure()
    step_axis(ax, 2)
    figure.canvas.draw()
    low, high = ax.get_xlim()
    shown = {t.get_text() for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high}
    assert shown == {"0", "1", "2"}


def test_an_animation_keeps_the_colours_of_its_marks() -> None:
    frame = np.full((60, 80, 3), 255, dtype=np.uint8)
    frame[:, 10:] = np.linspace(90, 250, 70)[None, :, None]  # a ground of many colours
    blue = [round(255 * part) for part in to_rgb(BLUE)]
    frame[30, 30] = blue  # and one pixel of a mark
    with Image.open(BytesIO(to_gif([frame, 255 - frame, frame]))) as found:
        assert np.asarray(found.convert("RGB"))[30, 30].tolist() == blue
        assert np.asarray(found.convert("RGB"))[0, 0].min() >= 250
