"""What a network of two inputs has learned: a map of the plane, and the rows on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from small_nets.run.figures.figure import (
    SPLITS,
    TITLE,
    are_alike,
    axis_name,
    drawable,
    folded,
    new_figure,
    write_title,
)
from small_nets.run.figures.map_legend import TWO, class_colours, edge, handles, legend

Array = NDArray[np.float64]
FEW = 50  # rows up to which a mark is large
BOUNDARY = "boundary"  # gid of a line where a class ends, and label of axes that have one
BOUNDARIES = "boundaries"  # label of axes that have one for each class


@dataclass(frozen=True)
class Marks:
    """The rows of a split: input (n, 2), truth (n,), a target or the place of a class."""

    input: Array
    truth: Array


@dataclass(frozen=True)
class View:
    """One panel. x: (columns,) and y: (rows,), evenly spaced; values: (rows, columns).

    values: what is predicted: a number, the probability of the second of two classes, or the
    place of the class that is chosen.
    """

    x: Array
    y: Array
    values: Array
    splits: Mapping[str, Marks]
    title: str


@dataclass(frozen=True)
class Scale:
    """How the values of all panels are shown. label: what the values are.

    classes: their names, none where numbers are predicted. has_boundary: whether the values stand
    for two classes, the second one above 0.5.
    """

    label: str
    classes: Sequence[str] = ()
    has_boundary: bool = False


def maps_figure(
    views: Sequence[View], scale: Scale, names: tuple[str, str], title: str = ""
) -> Figure:
    """A map for each view: its colours are what is predicted, its marks are the rows.

    names: of the two inputs. title: of the whole figure, above those of several panels.
    """
    several, alike = len(views) > 1, are_alike(views[0].x, views[0].y)
    has_bar = not scale.classes or scale.has_boundary
    wide, high = _panel_size(views, alike)
    columns = _columns(len(views))
    figure, axes = _blank(views, (wide, high), columns, has_bar)
    look = _look(views, scale)
    for ax, view in zip(axes, views, strict=True):
        _draw(ax, view, scale, look, alike, small=several)
        ax.set(xlabel=axis_name(names[0], wide), ylabel=axis_name(names[1], high))
        if several:
            ax.set_title(folded(view.title, wide, 10), fontsize=10)
        else:
            write_title(ax, view.title, wide / figure.get_size_inches()[0])
    if several:
        figure.set_layout_engine("compressed" if alike else "constrained")
        _label_outer(axes, columns)
    if title:
        figure.suptitle(folded(title, figure.get_size_inches()[0], TITLE))
    if has_bar:
        image, label = axes[0].images[0], axis_name(scale.label)
        if several:
            figure.colorbar(image, ax=axes, label=label, aspect=30, shrink=0.9)
        else:  # as high as the map is, whatever its shape
            figure.colorbar(image, cax=axes[0].inset_axes((1.03, 0, 0.04, 1)), label=label)
    splits = [name for name in SPLITS if any(name in view.splits for view in views)]
    marks = handles(splits, scale.classes, scale.has_boundary)
    legend(figure, None if several else axes[0], marks, wide)
    return figure


def _blank(
    views: Sequence[View], panel: tuple[float, float], columns: int, has_bar: bool
) -> tuple[Figure, list[Axes]]:
    """Panels of this size in inches, and room for what stands around them."""
    wide, high = panel
    beside = 1.6 if has_bar else 0.9
    lines = max(folded(v.title, wide, 10).count("\n") for v in views) + 1
    if len(views) == 1:
        return new_figure(1, high + 0.85 + 0.2 * lines, max(wide + beside + 0.3, 5.5))
    height = -(-len(views) // columns) * (high + 0.35 + 0.17 * lines) + 1.3
    return new_figure(len(views), height, columns * (wide + 0.35) + beside, columns)


def _label_outer(axes: Sequence[Axes], columns: int) -> None:
    """All panels have one plane: its numbers stand on the left and below."""
    for i, ax in enumerate(axes):
        # As many as there is room for would be found after the layout, and lie over others.
        ax.locator_params(nbins=4, steps=[1, 2, 5, 10])
        if i % columns:
            ax.tick_params(labelleft=False)
            ax.set_ylabel("")
        if i + columns < len(axes):
            ax.tick_params(labelbottom=False)
            ax.set_xlabel("")


def _panel_size(views: Sequence[View], alike: bool) -> tuple[float, float]:
    """Inches, in the shape of the plane where both axes have one scale."""
    longest = 5.0 if len(views) == 1 else 2.4 if len(views) <= 12 else 2.0
    ratio = float(np.ptp(views[0].y) / np.ptp(views[0].x)) if alike else 0.75
    return (longest, longest * ratio) if ratio <= 0.9 else (0.9 * longest / ratio, 0.9 * longest)


def _columns(count: int) -> int:
    return count if count <= 4 else 3 if count in (5, 6, 9) else 4 if count <= 12 else 6


def _look(views: Sequence[View], scale: Scale) -> dict[str, Any]:
    """Colour map and limits, one for all panels."""
    if scale.has_boundary:
        ends = [_tint(colour, 0.55) for colour, _ in TWO]
        cmap = LinearSegmentedColormap.from_list("two", [ends[0], "#F7F7F7", ends[1]])
        return {"cmap": cmap, "vmin": 0.0, "vmax": 1.0}
    if scale.classes:
        colours = [_tint(colour, 0.35) for colour in class_colours(len(scale.classes))]
        return {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": len(colours) - 0.5,
                "interpolation": "nearest"}  # fmt: skip
    truths = np.concatenate([rows.truth for v in views for rows in v.splits.values()])
    values = drawable(np.concatenate([v.values.ravel() for v in views]))
    low, high = float(truths.min()), float(truths.max())
    # A diverged fit would press all targets into one colour.
    span = 2 * (high - low) or 1.0
    every = np.append(values[np.isfinite(values)].clip(low - span, high + span), [low, high])
    return {"cmap": "cividis", "vmin": float(every.min()), "vmax": float(every.max())}


def _tint(colour: str, strength: float) -> tuple[float, ...]:
    """The colour as ground, on which the colour itself can be seen."""
    return tuple(1 - strength * (1 - part) for part in to_rgb(colour))


def _draw(
    ax: Axes, view: View, scale: Scale, look: Mapping[str, Any], alike: bool, small: bool
) -> None:
    half = [(axis[1] - axis[0]) / 2 for axis in (view.x, view.y)]
    extent = (view.x[0] - half[0], view.x[-1] + half[0], view.y[0] - half[1], view.y[-1] + half[1])
    ax.imshow(
        np.ma.masked_invalid(drawable(view.values)), origin="lower", extent=extent, gid="map",
        aspect="equal" if alike else "auto", zorder=0,
        **{"interpolation": "bilinear", **look},
    )  # fmt: skip
    if scale.classes:
        ax.set_label(BOUNDARY if scale.has_boundary else BOUNDARIES)
        draw_boundaries(ax, view.x, view.y, view.values)
    many = sum(len(rows.truth) for rows in view.splits.values()) > FEW
    area = (6 if many else 36) if small else (20 if many else 90)
    for split, rows in view.splits.items():
        outline = (0.3 if small else 0.6) if many else 1.2
        for truth, colour, marker in _kinds(rows, scale, split):
            if truth.any():
                colours = {**look, "c": rows.truth[truth]} if colour is None else {"color": colour}
                colours.pop("interpolation", None)
                ax.scatter(*rows.input[truth].T, s=area, marker=marker, zorder=3,
                           edgecolors=edge(split), linewidths=outline, **colours)  # fmt: skip
    ax.grid(visible=False)
    ax.set(xlim=view.x[[0, -1]], ylim=view.y[[0, -1]])


def _kinds(rows: Marks, scale: Scale, split: str) -> list[tuple[NDArray[np.bool_], Any, str]]:
    """The rows that share a colour and a marker; no colour where each has its own."""
    marker = SPLITS[split][2]
    if not scale.classes:
        return [(np.full(len(rows.truth), True), None, marker)]
    places = rows.truth.round().astype(int)
    if scale.has_boundary:
        return [(places == i, colour, shape) for i, (colour, shape) in enumerate(TWO)]
    colours = class_colours(len(scale.classes))
    return [(places == i, colour, marker) for i, colour in enumerate(colours)]


def draw_boundaries(ax: Axes, x: Array, y: Array, values: Array) -> list[ContourSet]:
    """The lines where a class ends, above the rows; a net that sees one class only has none.

    x: (columns,), y: (rows,), values: (rows, columns): of two classes the probability of the
    second, else the place of the class that is chosen.
    """
    known = values[np.isfinite(values)]
    if ax.get_label() == BOUNDARIES:
        grounds = [(values == place).astype(float) for place in np.unique(known)[1:]]
        width = 0.9
    else:
        has_both = known.size and known.min() < 0.5 < known.max()
        grounds, width = [np.ma.masked_invalid(values)] if has_both else [], 1.8
    lines: list[ContourSet] = [
        ax.contour(x, y, ground, levels=[0.5], colors="black", linewidths=width, zorder=4)
        for ground in grounds
    ]
    for line in lines:
        line.set_path_effects([withStroke(linewidth=2 * width, foreground="white")])
        line.set_gid(BOUNDARY)
    return lines


def grid_of_image(image: AxesImage) -> tuple[Array, Array]:
    """The x and y at which the values of a map stand."""
    left, right, bottom, top = image.get_extent()
    rows, columns = np.asarray(image.get_array()).shape
    half = (right - left) / columns / 2, (top - bottom) / rows / 2
    return (
        np.linspace(left + half[0], right - half[0], columns),
        np.linspace(bottom + half[1], top - half[1], rows),
    )
