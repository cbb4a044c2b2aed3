"""What all pictures share: size, colours, and the way to PNG."""

import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogFormatterSciNotation,
    LogLocator,
    MaxNLocator,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

# Okabe and Ito's palette: distinct to colour-blind readers.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
LIGHT = "#BBBBBB"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")
# Of each split: what it is called, its colour, its marker.
SPLITS = {"train": ("training", BLUE, "o"), "val": ("validation", ORANGE, "D")}
DPI = 100
NAME = 18  # letters of a name that a tick or a legend has room for
SOFTWARE = "small-nets"  # in every picture
CAPTION = 9.0  # points
TITLE = 12.0  # points
LETTER = 0.078  # inches of a legend's text
MOST_ALIKE = 3.0  # times as long as the other one, and an axis still has its scale


def new_figure(
    panels: int = 1, height: float = 4.5, width: float | None = None, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side. Not pyplot: no global state, nothing to close.

    height, width: of the whole figure in inches. columns: panels in a row, where there are several
    rows.
    """
    if width is None:
        width = 7.0 if panels == 1 else 5.5 * panels
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    columns = columns or panels
    rows = -(-panels // columns)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return figure, axes


def line_style(i: int, colours: Sequence[str]) -> tuple[str, str]:
    """Colour and dashes of line i: once the colours are used up, they come again with dashes."""
    return colours[i % len(colours)], STYLES[i // len(colours) % len(STYLES)]


def shortened(name: str, most: int = NAME) -> str:
    """A name that a tick has room for."""
    return name if len(name) <= most else name[: most - 1] + "…"


def distinct(names: Sequence[str]) -> list[str]:
    """The names as ticks and legends have room for, by both ends where their beginnings are one."""
    cut = [shortened(name) for name in names]
    if len(set(cut)) == len(set(names)):
        return cut
    left = NAME // 2
    return [n if len(n) <= NAME else f"{n[:left]}…{n[left + 1 - NAME :]}" for n in names]


def axis_name(name: str, inches: float = 3.9) -> str:
    """A name that the side of a panel has room for."""
    return shortened(name, max(int(inches * 12.8), 10))


def folded(text: str, inches: float, points: float) -> str:
    """The text in lines that fit into a width; a letter is about half as wide as it is high."""
    letters = max(int(inches * 72 / (0.56 * points)) - 2, 10)
    return "\n".join(textwrap.fill(line, letters) for line in text.split("\n"))


def write_title(ax: Axes, text: str, share: float = 0.8) -> None:
    """The title of the only panel, folded so that it is not wider than the panel.

    share: of the figure's width that the panel has. (Its letters are narrow: most are small.)
    """
    width = ax.figure.get_figure(root=True).get_size_inches()[0]
    ax.set_title(folded(text, share * width, 0.9 * TITLE))


def legend_below(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str],
    where: Literal["outside lower center", "outside upper center"] = "outside lower center",
) -> None:  # fmt: skip
    """A legend below everything, in as many columns as its labels leave room for.

    where: "outside upper center" for one above everything, which leaves the ground to a caption.
    """
    width, height = figure.get_size_inches()
    longest = LETTER * max(map(len, labels)) + 0.6
    columns = max(min(int((width - 0.3) / longest), len(handles)), 1)
    figure.legend(
        handles=list(handles), labels=list(labels), loc=where, ncols=columns,
        frameon=False,
    )  # fmt: skip
    figure.set_size_inches(width, height + 0.1 + 0.22 * -(-len(handles) // columns))


def are_alike(x: ArrayLike, y: ArrayLike) -> bool:
    """Whether two axes that span these values can have one scale, so that circles are circles.

    Where one is many times as long as the other, their units cannot be the same.
    """
    spans = sorted([float(np.ptp(x)), float(np.ptp(y))])
    return 0 < spans[1] <= MOST_ALIKE * spans[0]


def _is_short(low: float, high: float) -> bool:
    """Whether a log axis spans so little that decades and their parts leave it bare."""
    return low > 0 and high < 10**0.5 * low


class ShortLog(LogLocator):
    """Decades, or round numbers of an axis that has hardly one."""

    def __init__(self, is_minor: bool = False) -> None:
        super().__init__(subs="auto" if is_minor else (1.0,))
        self.is_minor = is_minor

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        if not _is_short(low, high):
            return super().tick_values(vmin, vmax)
        return [] if self.is_minor else MaxNLocator(5).tick_values(low, high)


class PlainLog(LogFormatterSciNotation):
    """Of a log axis: 0.2 and not 2 × 10⁻¹, as far as such a number is short."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        assert self.axis is not None, "an axis formats its ticks"
        low, high = sorted(self.axis.get_view_interval())
        text = "all" if _is_short(low, high) else super().__call__(x, pos)
        return f"{x:g}" if text == "all" or (text and 1e-3 <= x < 1e5) else text


def log_ticks(axis: Axis) -> None:
    """Numbers at the decades, and between them where there are few."""
    axis.set_major_locator(ShortLog())
    axis.set_minor_locator(ShortLog(is_minor=True))
    axis.set_major_formatter(PlainLog())
    axis.set_minor_formatter(PlainLog(minor_thresholds=(1.5, 0.5)))


def step_axis(ax: Axes, last: float) -> None:
    """x: steps from 0 to the last one, whole numbers."""
    last = max(1.0, last)
    ax.set_xlim(-0.02 * last, 1.02 * last)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel("step")


def drawable(values: ArrayLike) -> NDArray[np.float64]:
    """The values, NaN where one is not finite or so large that matplotlib's ticks overflow."""
    found = np.asarray(values, dtype=float)
    return np.where(np.abs(found) < 1e100, found, np.nan)


def caption(figure: Figure, text: str) -> None:
    """One or two sentences at the bottom, folded to the figure's width: what is shown, how to read.

    As the figure's own x label: a plain text has no place of its own in the layout. A legend
    "outside lower" would lie on it.
    """
    lines = folded(text, figure.get_size_inches()[0], CAPTION)
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=CAPTION, color="#333333")


def to_png(figure: Figure) -> tuple[bytes, int, int]:
    """The figure as a PNG file, its width and height in pixels.

    Not by savefig, which draws twice, and finds the layout both times: most of a picture's time.
    """
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg), "new_figure draws with Agg"
    canvas.draw()
    buffer = BytesIO()
    dpi = (figure.dpi, figure.dpi)
    about = PngInfo()
    about.add_text("Software", SOFTWARE)  # by which `provenance` tells it from a user's own
    image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    image.save(buffer, format="png", dpi=dpi, pnginfo=about)
    return buffer.getvalue(), image.width, image.height
