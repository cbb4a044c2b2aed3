"""A picture of the fit at several moments of training: frames, and a GIF of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from small_nets.run.figures.figure import SOFTWARE

Frame = NDArray[np.uint8]
SECONDS = 3.5  # of all frames but the last
LAST = 1.5  # seconds that the last one stands
COLOURS = 128  # of a frame of the GIF


@dataclass(frozen=True)
class Moment:
    """What moves: the title, and for each panel, gid -> values (see `moving`)."""

    title: str
    panels: Sequence[dict[str, NDArray[np.float64]]]


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
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    over = [c for ax in panels if _map_of(ax) for c in ax.collections]  # dots on the map
    named = [a for ax in panels for a in ax.get_children() if a.get_gid() is not None]
    for artist in [*over, *named]:
        artist.set_animated(True)
    panels[0].title.set_animated(True)
    lined = [ax for ax in panels if _find(ax, "boundary") is not None]
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    for moment in moments:
        canvas.restore_region(ground)
        panels[0].set_title(moment.title)
        for ax, values in zip(panels, moment.panels, strict=True):
            for gid, now in values.items():
                _move(ax, gid, now)
                if ax in lined:
                    _draw_boundary(ax, now)
            moved = [a for a in ax.get_children() if a.get_animated() and a is not ax.title]
            for artist in sorted(moved, key=lambda a: a.get_zorder()):
                ax.draw_artist(artist)
        panels[0].draw_artist(panels[0].title)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _find(ax: Axes, gid: str) -> Artist | None:
    return next((a for a in ax.get_children() if a.get_gid() == gid), None)


def _map_of(ax: Axes) -> QuadMesh | None:
    found = _find(ax, "map")
    return found if isinstance(found, QuadMesh) else None


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
    elif isinstance(artist, QuadMesh):
        artist.set_array(values)


def _draw_boundary(ax: Axes, values: NDArray[np.float64]) -> None:
    """The line where one class ends, drawn anew; a net that sees one class only has none."""
    line, mesh = _find(ax, "boundary"), _map_of(ax)
    if line is not None:
        line.remove()
    assert mesh is not None, "a boundary lies on a map"
    known = values[np.isfinite(values)]
    if not (known.size and known.min() < 0.5 < known.max()):
        return
    corners = np.asarray(mesh.get_coordinates())
    middle = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    new = ax.contour(
        middle[0, :, 0], middle[:, 0, 1], np.ma.masked_invalid(values), levels=[0.5],
        colors="white", linewidths=2,
    )  # fmt: skip
    new.set_gid("boundary")
    new.set_animated(True)


def frame_png(frame: Frame) -> bytes:
    """A frame as a PNG file, packed quickly rather than tightly."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def to_gif(pictures: Sequence[Frame]) -> bytes:
    """The frames one after another, about five seconds, again and again; the last one stands."""
    each = int(1000 * SECONDS / max(len(pictures) - 1, 1))
    durations = [each] * (len(pictures) - 1) + [int(1000 * LAST)]
    # Each with colours of its own: a map's are others at the end than at the start.
    first, *rest = [
        Image.fromarray(p).quantize(COLOURS, dither=Image.Dither.NONE) for p in pictures
    ]
    buffer = BytesIO()
    first.save(
        buffer, format="gif", save_all=True, append_images=rest, duration=durations, loop=0,
        comment=SOFTWARE.encode(),
    )  # fmt: skip
    return buffer.getvalue()
