"""What all pictures share: size, colours, and the way to PNG."""

import textwrap
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
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
SOFTWARE = "small-nets"  # in every picture
CAPTION = 9.0  # points


def new_figure(panels: int = 1, height: float = 4.5) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side. Not pyplot: no global state, nothing to close."""
    figure = Figure(figsize=(7.0 if panels == 1 else 5.5 * panels, height), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    axes = [figure.add_subplot(1, panels, i + 1) for i in range(panels)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return figure, axes


def line_style(i: int, colours: Sequence[str]) -> tuple[str, str]:
    """Colour and dashes of line i: once the colours are used up, they come again with dashes."""
    return colours[i % len(colours)], STYLES[i // len(colours) % len(STYLES)]


def shortened(name: str, most: int = 18) -> str:
    """A name that a tick has room for."""
    return name if len(name) <= most else name[: most - 1] + "…"


def drawable(values: ArrayLike) -> NDArray[np.float64]:
    """The values, NaN where one is not finite or so large that matplotlib's ticks overflow."""
    found = np.asarray(values, dtype=float)
    return np.where(np.abs(found) < 1e100, found, np.nan)


def caption(figure: Figure, text: str) -> None:
    """One or two sentences at the bottom, folded to the figure's width: what is shown, how to read.

    As the figure's own x label: a plain text has no place of its own in the layout. A legend
    "outside lower" would lie on it.
    """
    width = figure.get_size_inches()[0] * 72 / (0.56 * CAPTION)  # a letter is about half as wide
    folded = textwrap.fill(text, int(width) - 2)
    figure.supxlabel(folded, x=0.01, ha="left", fontsize=CAPTION, color="#333333")


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
