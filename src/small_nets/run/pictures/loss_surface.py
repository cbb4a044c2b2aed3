"""The loss around a solution, and its curvature along the path that led there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from small_nets.data.prepared import Split
from small_nets.nn.losses import Loss
from small_nets.run.figures.surface import Surface
from small_nets.run.outputs.trajectory import Trajectory, parameters_at, spread
from small_nets.run.pictures.hessian import hessian, of_parameters
from small_nets.run.pictures.shown_rows import grid_of, to_array

GRID = 61  # points along each direction
WORK = 4e9  # multiplications that a surface may take, about: a few seconds
CHUNK = 4e6  # numbers of hidden units held at once
MARGIN = 0.25  # of the path's extent, on each side of it
WIDE = 0.75  # where two numbers are all that is trained: the hills and valleys around the path
SHARP = 200  # numbers of a net whose Hessian is looked at along training
HESSIANS = 40
HESSIAN_WORK = 4e8  # entries of all Hessians times rows


@dataclass(frozen=True)
class Plane:
    """Two orthonormal directions through the end of a path, and the path in them.

    end: (n,), n numbers of the net; directions: (2, n); shares: of the path's variance around
    the end, in each direction; path: (points, 2), relative to the end. All float64. names: of the
    two numbers that the directions are, None for directions in which all of them change.
    """

    end: Tensor
    directions: Tensor
    shares: tuple[float, float]
    path: Tensor
    names: tuple[str, str] | None = None

    def point(self, at: Tensor) -> Tensor:
        """Coordinates (points, 2) -> parameters (points, n)."""
        return self.end + at @ self.directions


def trained_pair(net: nn.Module) -> dict[str, int] | None:
    """Name -> place among all numbers of the net, where no more than two of them are trained."""
    if sum(p.numel() for p in net.parameters() if p.requires_grad) != 2:
        return None
    found, place = {}, 0
    for name, p in net.named_parameters():
        if p.requires_grad:
            for i, at in enumerate(np.ndindex(*p.shape)):
                found[name if p.numel() == 1 else f"{name}{list(at)}"] = place + i
        place += p.numel()
    return found


def plane(path: Tensor, end: Tensor, of_two: Mapping[str, int] | None = None) -> Plane | None:
    """The plane through `end` in which most of the path lies; None where nothing moves.

    path: (points, n), end: (n,), float64, n at least 2. of_two: name -> place of the two numbers
    of a net that has no more to train: the plane is that of these. Else the directions are the
    first two principal components of the rows path - end (Li, Xu, Taylor, Studer, Goldstein:
    Visualizing the Loss Landscape of Neural Nets, 2018, section 7.2). Not centred on
    the rows' mean, so that the end lies in the plane exactly. Random directions, the paper's other
    way, would hardly show the path: two of them are nearly orthogonal to it. Its filter
    normalisation is there to compare the sharpness of nets whose scales differ; one net's own
    path needs the parameters' own scale, and would be bent by any other.
    """
    offsets = path - end
    scale = offsets.abs().max()
    if not 0 < scale < torch.inf:
        return None
    if of_two is not None:
        (first, i), (second, j) = of_two.items()
        directions = torch.eye(len(end)).to(end)[[i, j]]
        moved = offsets[:, [i, j]]
        parts = (moved / scale).square().sum(dim=0)
        shares = parts / parts.sum()
        both = shares[0].item(), shares[1].item()
        return Plane(end, directions, both, moved, (first, second))
    # Scaled, since a diverging path's squares are beyond any float.
    _, values, rows = torch.linalg.svd(offsets / scale, full_matrices=False)
    if len(rows) < 2:  # one point beside the end: any second direction will do
        rows = torch.linalg.qr(torch.cat([rows, torch.eye(2, len(end)).to(rows)]).T).Q.T
        values = torch.cat([values, torch.zeros(1).to(values)])
    directions = rows[:2]
    coordinates = offsets @ directions.T
    # A component's sign is arbitrary; with this one every path comes from the left and below.
    signs = torch.where(coordinates[0] > 0, -1.0, 1.0).to(directions)
    shares = values[:2] ** 2 / (values**2).sum()
    return Plane(
        end, directions * signs[:, None], (shares[0].item(), shares[1].item()), coordinates * signs
    )


def _axis(values: Tensor, other: Tensor, points: int, margin: float) -> Tensor:
    """Over the path and the end, at least a third as long as the other axis; 0 is on it."""
    low, high = values.min().clamp(max=0.0), values.max().clamp(min=0.0)
    extent = torch.maximum(high - low, (other.max() - other.min()) / 3)
    middle = (low + high) / 2
    half = (0.5 + margin) * extent
    axis = torch.linspace(float(middle - half), float(middle + half), points, dtype=torch.float64)
    # Moved by less than half a step, so that the solution itself is one of the points.
    return axis - axis[axis.abs().argmin()]


def surface(net: nn.Module, loss: Loss, split: Split, found: Plane) -> Surface:
    """The loss over a split (rows of input and target) on a grid around the end of the path.

    In float64, as the curvature is: two neighbours on flat ground differ by less than float32
    can hold.
    """
    work = GRID**2 * len(split) * found.end.numel()
    points = GRID if work <= WORK else max(int(GRID * (WORK / work) ** 0.5) // 2 * 2 + 1, 11)
    margin = MARGIN if found.names is None else WIDE
    x = _axis(found.path[:, 0], found.path[:, 1], points, margin)
    y = _axis(found.path[:, 1], found.path[:, 0], points, margin)
    losses = losses_at(net, loss, split, found.point(grid_of(x, y))).view(points, points)
    # Two numbers of the net are shown as they are, and not by how far they are from the end.
    end = torch.zeros(2).double() if found.names is None else found.directions @ found.end
    labels = found.names or tuple(
        f"{name} direction ({share:.1%} of the path's variance)"
        for name, share in zip(("first", "second"), found.shares, strict=True)
    )
    return Surface(
        to_array(x + end[0]), to_array(y + end[1]), to_array(losses),
        to_array(found.path + end), to_array(end), labels, found.names is not None,
    )  # fmt: skip


def losses_at(net: nn.Module, loss: Loss, split: Split, points: Tensor) -> Tensor:
    """The loss over a split at each of many parameters (points, n): (points,), float64."""
    assert split.target is not None, "a loss needs a target"
    parameters, target = dict(net.named_parameters()), split.target.double()
    output = of_parameters(net, parameters, split.input)
    # The loss is not mapped: torch's binary cross-entropy looks at its values, which vmap forbids.
    widest = max((p.shape[0] for p in parameters.values() if p.ndim), default=1)
    chunk = max(int(CHUNK / (len(split) * widest)), 1)
    with torch.no_grad():
        return torch.stack([
            loss(prediction, target)
            for part in points.split(chunk)
            for prediction in vmap(output)(part)
        ])  # fmt: skip


@dataclass(frozen=True)
class Sharpness:
    """steps: those looked at; largest: the Hessian's largest eigenvalue there; bound: of it."""

    steps: list[int]
    largest: list[float]
    bound: list[float]


def sharpness(
    net: nn.Module, loss: Loss, split: Split, path: Trajectory, bound: Callable[[int], float]
) -> Sharpness:
    """λmax of the Hessian of the loss over a split along a path, and the bound at each step."""
    n = sum(p.numel() for p in net.parameters() if p.requires_grad)
    count = max(min(HESSIANS, int(HESSIAN_WORK / (n * n * len(split)))), 5)
    chosen = spread(path.steps, count)
    largest = []
    for i in chosen:
        with parameters_at(net, path.at(i)):
            matrix = hessian(net, loss, split)
        finite = bool(torch.isfinite(matrix).all())
        largest.append(torch.linalg.eigvalsh(matrix)[-1].item() if finite else torch.inf)
    steps = [path.steps[i] for i in chosen]
    return Sharpness(steps, largest, [bound(step) for step in steps])
