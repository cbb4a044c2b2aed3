"""A picture of the fit at several moments of training: frames, and a GIF of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from small_nets.run.figures.figure import PALETTE, SOFTWARE, drawable
from small_nets.run.figures.maps import BOUNDARIES, BOUNDARY, draw_boundaries, grid_of_image

Frame = NDArray[np.uint8]
SECONDS = 3.5  # of all frames but the last
LAST = 1.5  # seconds that the last one stands
SAMPLES = 6  # frames that the GIF's colours are taken from
EXACT = ("white", "black", *PALETTE[:-1])  # colours of few pixels, which a mean would make dull


@dataclass(frozen=True)
class Moment:
    """What moves: the title, and gid -> values (see `moving`)."""

    title: str
    values: dict[str, NDArray[np.float64]]


def frames(figure: Figure, moments: Iterable[Moment]) -> Iterator[Frame]:
    """The figure at each moment, (height, width, 3); what does not move is drawn once.

    figure: as `small_nets.run.figures.fit` draws it, its layout done; it shows the last moment
    afterwards.
    The artists that move carry a gid, and the axes stay as they are: what leaves them is cut
    off. Drawing every frame whole would take ten times as long, and single runs wait for it.
    """
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg), "new_figure draws with Agg"
    figure.set_layout_engine("none")
    ax = figure.axes[0]
    legend = ax.get_legend()
    named = [a for a in ax.get_children() if a.get_gid() is not None]
    # What lies on a map is drawn again with it.
    over = [*ax.collections, *([legend] if legend else [])] if ax.images else []
    for artist in [*over, *named, ax.title]:
        artist.set_animated(True)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    for moment in moments:
        canvas.restore_region(ground)
        ax.set_title(moment.title)
        for gid, now in moment.values.items():
            _move(ax, gid, now)
            if ax.get_label() in (BOUNDARY, BOUNDARIES):
                _draw_boundaries(ax, now)
        moved = [a for a in ax.get_children() if a.get_animated()]
        for artist in sorted(moved, key=lambda a: a.get_zorder()):
            ax.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _find(ax: Axes, gid: str) -> Artist | None:
    return next((a for a in ax.get_children() if a.get_gid() == gid), None)


def _move(ax: Axes, gid: str, values: NDArray[np.float64]) -> None:
    """Give an artist its new values; one that the picture does not have is none to move."""
    artist = _find(ax, gid)
    # A diverged fit leaves every scale; Agg overflows long before a float does.
    values = np.where(np.isfinite(values), np.clip(values, -1e30, 1e30), np.nan)
    if isinstance(artist, Line2D):
        low, high = ax.get_ylim()
        far = 10 * (high - low)
        artist.set_ydata(np.clip(values, low - far, high + far))
    elif isinstance(artist, PathCollection):
        offsets = np.asarray(artist.get_offsets())
        artist.set_offsets(np.column_stack([offsets[:, 0], values]))
    elif isinstance(artist, AxesImage):
        artist.set_data(np.ma.masked_invalid(drawable(values)))


def _draw_boundaries(ax: Axes, values: NDArray[np.float64]) -> None:
    """The lines where a class ends, drawn anew."""
    for line in [a for a in ax.collections if a.get_gid() == BOUNDARY]:
        line.remove()
    for line in draw_boundaries(ax, *grid_of_image(ax.images[0]), values):
        line.set_animated(True)


def frame_png(frame: Frame) -> bytes:
    """A frame as a PNG file, packed quickly rather than tightly."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def to_gif(pictures: Sequence[Frame]) -> bytes:
    """The frames one after another, about five seconds, again and again; the last one stands."""
    each = int(1000 * SECONDS / max(len(pictures) - 1, 1))
    durations = [each] * (len(pictures) - 1) + [int(1000 * LAST)]
    # The same colours in all: what stays as it is takes no room, and nothing flickers.
    some = [*pictures[:: -(-len(pictures) // SAMPLES)], pictures[-1]]
    exact = [round(255 * part) for name in EXACT for part in to_rgb(name)]
    palette = Image.fromarray(np.concatenate(some)).quantize(256 - len(EXACT))
    palette.putpalette((palette.getpalette() or [])[: 768 - len(exact)] + exact)
    first, *rest = [
        Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures
    ]
    buffer = BytesIO()
    first.save(
        buffer, format="gif", save_all=True, append_images=rest, duration=durations, loop=0,
        comment=SOFTWARE.encode(),
    )  # fmt: skip
    return buffer.getvalue()
