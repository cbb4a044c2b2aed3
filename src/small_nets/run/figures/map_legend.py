"""What a map's colours, shapes and edges mean, and where it is said."""

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from small_nets.run.figures.figure import (
    BLUE,
    GREY,
    LETTER,
    LIGHT,
    ORANGE,
    PALETTE,
    SPLITS,
    distinct,
    legend_below,
)

TWO = ((BLUE, "o"), (ORANGE, "^"))  # the marks of two classes


def class_colours(count: int) -> list[str]:
    """One for each class: a palette for the colour-blind as far as it goes."""
    if count <= len(PALETTE):
        return list(PALETTE[:count])
    return [to_hex(colormaps["tab20"](i % 20)) for i in range(count)]


def edge(split: str) -> str:
    """The colour around a mark."""
    return "white" if split == "train" else "black"


def handles(splits: Sequence[str], classes: Sequence[str], has_boundary: bool) -> list[Line2D]:
    """An entry for each class, then for the splits.

    has_boundary: of two classes, each with a shape of its own, and a line between them.
    """
    colours = [c for c, _ in TWO] if has_boundary else class_colours(len(classes))
    shapes = [shape for _, shape in TWO] if has_boundary else ["o"] * len(classes)
    found = [
        _mark(name, shape, colour, "white")
        for name, colour, shape in zip(distinct(classes), colours, shapes, strict=True)
    ]
    if has_boundary:
        if "val" in splits:
            found.append(_mark("validation", "o", LIGHT, edge("val")))
        found.append(Line2D([], [], color="black", label="boundary"))
    elif len(splits) > 1 or not classes:
        for split in splits:
            kind, _, marker = SPLITS[split]
            found.append(_mark(f"{kind} data", marker, GREY, edge(split)))
    return found


def _mark(label: str, shape: str, colour: str, around: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=shape, color=colour, markeredgecolor=around,
                  markersize=8, label=label)  # fmt: skip


def legend(figure: Figure, ax: Axes | None, entries: Sequence[Line2D], wide: float) -> None:
    """In a map's upper margin, where no row lies, if one line is enough; else below everything.

    ax: of the only map, None where there are several. wide: inches of the map.
    """
    lengths = [0.9 * LETTER * len(str(entry.get_label())) + 0.5 for entry in entries]
    if ax is not None and sum(lengths) <= wide - 0.1:
        ax.legend(
            handles=list(entries), loc="upper center", ncols=len(entries), fontsize=9,
            handlelength=1.2, handletextpad=0.4, columnspacing=1.0, borderaxespad=0.3,
            framealpha=0.9, edgecolor="none",
        )  # fmt: skip
        return
    legend_below(figure, entries, [str(entry.get_label()) for entry in entries])
