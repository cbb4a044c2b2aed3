"""From runs of two trained numbers to one picture: the surface of their loss, and their paths."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from matplotlib.figure import Figure
from torch import Tensor

from small_nets.run.build.build import build
from small_nets.run.figures.paths import paths_figure
from small_nets.run.pictures.finer_path import trained_quietly
from small_nets.run.pictures.loss_surface import plane, surface, trained_pair
from small_nets.run.pictures.shown_rows import to_array
from small_nets.run.spec import Run

MOST_STEPS = 6_000  # of all runs together, which are trained once more: about three seconds


def have_one_surface(runs: Mapping[str, Run]) -> bool:
    """Whether the runs' paths lie on one surface: two trained numbers, one loss, the same rows."""
    first, *others = runs.values()
    if trained_pair(first.net) is None or first.data.train.target is None:
        return False
    return sum(run.steps for run in runs.values()) <= MOST_STEPS and all(
        trained_pair(run.net) == trained_pair(first.net)
        and (run.loss.name, run.config["model"]["_target_"])
        == (first.loss.name, first.config["model"]["_target_"])
        and _are_equal(run.data.train.input, first.data.train.input)
        and run.data.train.target is not None
        and _are_equal(run.data.train.target, first.data.train.target)
        for run in others
    )


def _are_equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a == b).all())


def draw_paths(runs: Mapping[str, Run], title: str) -> Figure | None:
    """The paths of runs that `have_one_surface`, by label; None where nothing moved.

    A sweep keeps no paths, so the runs are trained once more, alone. Raises KeyboardInterrupt.
    """
    points: dict[str, Tensor] = {}
    for label, run in runs.items():
        # Early stopping looks at the logged points, and so do the numbers of its run.
        every = run.log_every if run.early_stop is not None else 1
        again = replace(build(run.config), log_every=every, ckpt=None)
        path = trained_quietly(again).path
        if path is not None:
            points[label] = path.flat()
    first = next(iter(runs.values()))
    pair = trained_pair(first.net)
    every_point = torch.cat(list(points.values()))
    found = plane(every_point, every_point[-1], pair)
    if found is None or pair is None:
        return None
    places = list(pair.values())
    paths = {label: to_array(path[:, places]) for label, path in points.items()}
    ground = surface(first.net, first.loss, first.data.train, found)
    return paths_figure(ground, paths, first.loss.name, title)
