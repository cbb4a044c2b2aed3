"""From runs of two inputs to their maps: the prediction over the plane, and the rows on it."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from small_nets.config.components import loss_of_config
from small_nets.data.prepared import Split
from small_nets.data.split import class_places
from small_nets.nn.metrics import probabilities
from small_nets.run.evaluate import predict
from small_nets.run.figures.maps import Array, Marks, Scale, View, maps_figure
from small_nets.run.pictures.classes import class_names
from small_nets.run.pictures.shown_rows import MAP_POINTS, map_axes, shown_splits, to_array
from small_nets.run.spec import Run

EACH = 1_000  # rows that one of several maps shows


def is_one_map(run: Run) -> bool:
    """Whether its fit is one number over two inputs."""
    table = run.data.table
    return table.target is not None and (table.input.shape[1], table.target.shape[1]) == (2, 1)


def is_map(run: Run) -> bool:
    """Whether its fit can be drawn as a map over two inputs: a number, or the class chosen."""
    table = run.data.table
    several = table.task == "classes" and table.target is not None and table.input.shape[1] == 2
    return several or is_one_map(run)


def decision_map(run: Run) -> tuple[Array, Array, Array]:
    """What the map of a run shows: x (n,) and y (m,) in raw units, values (m, n)."""
    x, y, points = map_axes(run.data)
    return to_array(x), to_array(y), map_values(run, points)


def map_values(run: Run, points: Tensor) -> NDArray:
    """What a map shows at points (MAP_POINTS², 2) in raw units, (MAP_POINTS, MAP_POINTS)."""
    found = predict(run.net, run.data, points)
    values = found[:, 0] if is_one_map(run) else probabilities(found).argmax(dim=1)
    return to_array(values.view(MAP_POINTS, MAP_POINTS))


def draw_map(run: Run, title: str) -> Figure:
    """The map of one run."""
    shown, note = shown_splits(run.data)
    view = View(*decision_map(run), _marks(run, shown), title + note)
    return maps_figure([view], _scale(run), _names(run))


def draw_maps(runs: Mapping[str, Run], title: str) -> Figure:
    """The maps of several trained runs by label, over one plane that holds the rows of all."""
    x, y, points = map_axes(*(run.data for run in runs.values()))
    views = [
        View(to_array(x), to_array(y), map_values(run, points),
             _marks(run, shown_splits(run.data, EACH)[0]), label)
        for label, run in runs.items()
    ]  # fmt: skip
    first = next(iter(runs.values()))
    return maps_figure(views, _scale(first), _names(first), title)


def _names(run: Run) -> tuple[str, str]:
    first, second = run.labels.of_inputs(2)
    return first, second


def _marks(run: Run, splits: Mapping[str, Split]) -> dict[str, Marks]:
    table = run.data.table
    assert table.target is not None, "asked by is_map"
    found = {}
    for name, split in splits.items():
        truth = table.target[split.rows]
        truth = truth[:, 0] if is_one_map(run) else class_places(truth)
        found[name] = Marks(to_array(table.input[split.rows]), to_array(truth))
    return found


def _scale(run: Run) -> Scale:
    labels, task = run.labels, run.data.table.task
    if task == "regression":
        return Scale(f"predicted {labels.target}")
    if not is_one_map(run):
        return Scale(labels.target, class_names(run))
    two = labels.classes or [f"{labels.target} 0", f"{labels.target} 1"]
    predicted = f"predicted {labels.target}"
    if loss_of_config(run.config).compares == "probabilities":
        predicted = f"probability of {two[1]}"
        if labels.classes:
            predicted = f"probability of {labels.target} {two[1]}"
    return Scale(predicted, two, has_boundary=True)
