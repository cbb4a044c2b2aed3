"""The path of training with all of its beginning, where most of it lies."""

import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from small_nets.run.outputs.result import Ending
from small_nets.run.outputs.trajectory import Trajectory
from small_nets.run.spec import Run

INTERVALS = 2  # between logged points, that every epoch is looked at in


def with_its_beginning(run: Run, path: Trajectory) -> Trajectory:
    """The path, and between its first points the parameters after every epoch.

    About a hundred points are logged of a run, and before the second one a small net has often
    gone most of its way: a straight line between the two is not where it went. So these epochs, a
    fiftieth of the run, are trained once more. Where the same numbers do not come again (an
    engine's run, a continued one of other settings) the path stays as it is.
    Raises KeyboardInterrupt.
    """
    if run.log_every == 1 or len(path) < 3 or path.steps[0] != 0:
        return path
    until = min(INTERVALS * run.log_every, run.last_epoch)
    net = copy.deepcopy(run.net).train()
    with torch.no_grad():
        net.load_state_dict(path.at(0), strict=False)
    again = replace(run, net=net, log_every=1, until=until, ckpt=None, early_stop=None)
    ending = trained_quietly(again)
    return path if ending.path is None else _joined(ending.path, path)


def trained_quietly(run: Run) -> Ending:
    """How a run ended that is trained for its path alone, and leaves nothing.

    Raises KeyboardInterrupt where it was interrupted: half a path would tell of another run.
    """
    # Lightning, which other pictures do not need.
    from small_nets.run.lightning.train import train_by_lightning

    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), Console(quiet=True))
    if ending.status == "interrupted":
        raise KeyboardInterrupt
    return ending


def _joined(start: Trajectory, path: Trajectory) -> Trajectory:
    """`start` as far as it goes, and then `path`; `path` where they are not the same."""
    place = {step: i for i, step in enumerate(start.steps)}
    both = [(place[step], i) for i, step in enumerate(path.steps) if step in place]
    for name, points in start.parameters.items():
        mine, other = points[[k for k, _ in both]], path.parameters[name][[i for _, i in both]]
        if not torch.equal(mine, other):
            return path
    last = max(path.steps[i] for _, i in both)
    head = [i for i, step in enumerate(start.steps) if step <= last]
    rest = [i for i, step in enumerate(path.steps) if step > last]
    parameters = {
        name: torch.cat([start.parameters[name][head], points[rest]])
        for name, points in path.parameters.items()
    }
    steps = [start.steps[i] for i in head] + [path.steps[i] for i in rest]
    return Trajectory(steps, parameters)
