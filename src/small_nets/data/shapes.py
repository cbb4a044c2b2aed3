"""Sources of classes in the plane that no straight line separates.

They draw from torch's global generator, as `small_nets.data.sources` explains. Rows are float32;
targets are 0 and 1, or one-hot where there are three classes.
"""

import math

import torch
from torch import Tensor

from small_nets.data.sources import Table


def circles(points: int = 400, noise: float = 0.1, factor: float = 0.5) -> Table:
    """A circle of radius 1 (target 0) around one of radius `factor` (target 1).

    points: the number of rows, evenly spaced, half of them on each circle; the outer one gets an
    odd one. noise: the standard deviation of the normal noise on each coordinate.
    """
    outer, inner = points - points // 2, points // 2
    return _table(_arc(outer, 2 * math.pi), factor * _arc(inner, 2 * math.pi), noise)


def moons(points: int = 400, noise: float = 0.1) -> Table:
    """Two interlocking half circles of radius 1, the upper (target 0) and the lower (target 1).

    The lower one is turned by half a circle and moved by (1, 0.5). points: the number of rows,
    half of them on each moon; the upper one gets an odd one. noise: as in `circles`.
    """
    upper, lower = points - points // 2, points // 2
    # A half circle has points at both ends. The ends of a whole circle are one point.
    ends = math.pi * upper / max(upper - 1, 1), math.pi * lower / max(lower - 1, 1)
    turned = torch.tensor([1.0, 0.5], dtype=torch.float64) - _arc(lower, ends[1])
    return _table(_arc(upper, ends[0]), turned, noise)


def spirals(points: int = 600, noise: float = 0.05, turns: float = 0.75) -> Table:
    """Three arms of a spiral around the origin, a class each; targets are one-hot: (points, 3).

    An arm goes from radius 0.2 to 1 while it turns by `turns` of a circle; the next one is turned
    by a third of a circle. points: the number of rows, evenly spaced along the arms; the first arms
    get those that three do not divide. noise: as in `circles`.
    """
    arms = []
    for i in range(3):
        along = torch.linspace(0, 1, points // 3 + (i < points % 3), dtype=torch.float64)
        angle, radius = 2 * math.pi * (turns * along + i / 3), 0.2 + 0.8 * along
        arms.append(radius[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1))
    classes = torch.cat([torch.full((len(arm),), i) for i, arm in enumerate(arms)])
    input = torch.cat(arms).float()
    target = torch.nn.functional.one_hot(classes, 3).float()
    return Table(input + noise * torch.randn(input.shape), target, "classes")


def _arc(points: int, angle: float) -> Tensor:
    """Points on the unit circle from angle 0 on, `angle` / points apart: (points, 2), float64."""
    at = torch.arange(points, dtype=torch.float64) * angle / points
    return torch.stack([torch.cos(at), torch.sin(at)], dim=1)


def _table(first: Tensor, second: Tensor, noise: float) -> Table:
    input = torch.cat([first, second]).float()
    target = torch.cat([torch.zeros(len(first), 1), torch.ones(len(second), 1)])
    # Rows are in the order of their classes. The split shuffles them (data.shuffle).
    return Table(input + noise * torch.randn(input.shape), target, "binary")
