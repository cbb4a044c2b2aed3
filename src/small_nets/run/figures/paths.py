"""The paths of several trainings on one surface of two numbers: how each optimizer goes down."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from small_nets.run.figures.figure import (
    PALETTE,
    caption,
    legend_below,
    line_style,
    new_figure,
    write_title,
)
from small_nets.run.figures.surface import Array, Surface, draw_ground


def paths_figure(found: Surface, paths: Mapping[str, Array], loss_name: str, title: str) -> Figure:
    """The loss over two numbers, and each path on it with a dot a point, a circle and a star.

    found: the surface; its own path is not drawn. paths: label -> (points, 2), in its coordinates.
    """
    figure, (ax,) = new_figure(height=5.9)
    draw_ground(ax, found, loss_name, strength=0.45)
    lines = []
    for i, (label, path) in enumerate(paths.items()):
        colour, style = line_style(i, PALETTE)
        ax.plot(path[:, 0], path[:, 1], color="white", linewidth=3.2, zorder=3)
        lines += ax.plot(path[:, 0], path[:, 1], style, color=colour, linewidth=1.5, marker=".",
                         markersize=4, zorder=4, label=label)  # fmt: skip
        # Each end lies over all lines: where paths meet, the last ones would hide the first.
        marks = {"color": colour, "edgecolors": "black", "linewidths": 0.8, "clip_on": False}
        ax.scatter(path[0, 0], path[0, 1], 50, marker="o", zorder=5, **marks)
        ax.scatter(path[-1, 0], path[-1, 1], 130, marker="*", zorder=6, **marks)
    write_title(ax, title, 0.7)
    caption(
        figure,
        "The training loss at all values of the two numbers that are trained, and where each "
        "training went: from its circle to its star, a dot for each point looked at. Where dots "
        "crowd, it was slow.",
    )
    legend_below(figure, lines, list(paths), "outside upper center")
    return figure
