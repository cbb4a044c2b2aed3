"""Records the path of training: the parameters at some of the logged points."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from small_nets.config.errors import InputError
from small_nets.run.outputs.tensor_files import read_sealed, seal_tensors, write_tensors

LARGEST = 10_000  # a net with more weights and biases has no path
MOST = 256  # points that are kept
STEPS = "steps"  # the name of the steps in the file, beside the names of parameters


@dataclass(frozen=True)
class Trajectory:
    """The parameters at some logged points, the first and the last among them.

    steps: of each point. parameters: name -> (points, *shape), in the order of the net.
    """

    steps: list[int]
    parameters: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.steps)

    def flat(self) -> Tensor:
        """All parameters as vectors, (points, numbers), float64, in the order of the net."""
        parts = [p.double().reshape(len(self), -1) for p in self.parameters.values()]
        return torch.cat(parts, dim=1)

    def at(self, i: int) -> dict[str, Tensor]:
        """Name -> parameter, at point i."""
        return {name: p[i] for name, p in self.parameters.items()}

    def save(self, path: Path) -> None:
        """Write a safetensors file with `steps` and the parameters. Raises OSError."""
        tensors = {name: p.contiguous() for name, p in self.parameters.items()}
        tensors |= {STEPS: torch.tensor(self.steps)}
        write_tensors(path, tensors, seal_tensors(tensors))


def spread(steps: Sequence[int], count: int) -> list[int]:
    """The positions of at most `count` of the steps, including the first and the last.

    Those between are close to a geometric sequence, because a fit changes most at its beginning.
    """
    n = len(steps)
    if n <= count:
        return list(range(n))
    wanted = [*np.geomspace(max(steps[1], 1), steps[-1], count - 1)[:-1], steps[-1]]
    found = [0]
    for k, step in enumerate(wanted):
        nearest = int(np.abs(np.asarray(steps) - step).argmin())
        room = n - 1 - (len(wanted) - 1 - k)
        found.append(min(max(nearest, found[-1] + 1), room))
    return found


@contextmanager
def parameters_at(net: nn.Module, point: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block the net has the parameters of `point`; afterwards its own again."""
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    try:
        net.load_state_dict(dict(point), strict=False)
        yield
    finally:
        net.load_state_dict(before, strict=False)


def load_trajectory(path: Path, net: nn.Module) -> Trajectory:
    """Read what `Trajectory.save` wrote. Raises InputError where it does not fit the net."""
    try:
        found, _ = read_sealed(path)
        steps = [int(step) for step in found.pop(STEPS).flatten().tolist()]
        named = {name: found[name] for name, _ in net.named_parameters()}
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not a complete path of this run: {error}") from error
    shapes = {name: (len(steps), *p.shape) for name, p in net.named_parameters()}
    if not steps or any(tuple(named[n].shape) != shape for n, shape in shapes.items()):
        raise InputError(f"{path} belongs to another network than the run's config")
    return Trajectory(steps, named)


class Recorder:
    """Records the parameters of a net at logged points, in bounded memory.

    It keeps every `stride`-th point. If there are more than MOST, it drops every other one, and
    doubles the stride. So the points stay evenly spaced, and the first one stays. Which points are
    kept depends only on the number of points, so a continued run has the path of an uninterrupted
    one. The last point is kept, too. (A reservoir sample would also be bounded, but uneven, and it
    would need a random state.)

    Nets of more than LARGEST numbers have no path.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._size = sum(p.numel() for p in net.parameters())
        self._stride = 1
        self._seen = 0
        self._steps: list[int] = []
        self._points: list[Tensor] = []
        self._last: tuple[int, Tensor] | None = None

    def record(self, step: int) -> None:
        """Record the net's parameters after `step` steps."""
        if not 0 < self._size <= LARGEST:
            return
        with torch.no_grad():
            # cat always copies, so later training does not change the recorded point.
            point = torch.cat([p.reshape(-1) for p in self._net.parameters()]).cpu()
        self._last = (step, point)
        if self._seen % self._stride == 0:
            self._steps.append(step)
            self._points.append(point)
        self._seen += 1
        if len(self._steps) > MOST:
            self._steps, self._points = self._steps[::2], self._points[::2]
            self._stride *= 2

    def trajectory(self) -> Trajectory | None:
        """The recorded path; None where nothing was recorded."""
        if self._last is None:
            return None
        steps, points = list(self._steps), list(self._points)
        if steps[-1:] != [self._last[0]]:
            steps.append(self._last[0])
            points.append(self._last[1])
        named = list(self._net.named_parameters())
        columns = torch.stack(points).split([p.numel() for _, p in named], dim=1)
        shaped = [c.reshape(len(steps), *p.shape) for c, (_, p) in zip(columns, named, strict=True)]
        return Trajectory(steps, dict(zip([n for n, _ in named], shaped, strict=True)))

    def to_checkpoint(self) -> dict[str, Any] | None:
        """The state for a checkpoint; None where nothing was recorded.

        All points are one tensor: a checkpoint stores each tensor as a file.
        """
        if self._last is None:
            return None
        return {
            "stride": self._stride, "seen": self._seen, "steps": self._steps,
            "points": torch.stack(self._points), "last_step": self._last[0],
            "last": self._last[1],
        }  # fmt: skip

    def from_checkpoint(self, state: Mapping[str, Any] | None) -> None:
        """Go on from what `to_checkpoint` returned. None starts a new path."""
        if state is None:
            return
        self._stride, self._seen = state["stride"], state["seen"]
        self._steps, self._points = list(state["steps"]), list(state["points"])
        self._last = (state["last_step"], state["last"])
