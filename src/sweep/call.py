"""A sweep or a search without a command line: for notebooks and tests."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf
from rich.console import Console

from src import conf_files, resolvers
from src.check import Refused
from src.errors import InputError
from src.explain import explained
from src.search.launch import launch_search
from src.sweep.bars import Notify
from src.sweep.grid import batches
from src.sweep.launch import launch


@dataclass
class Called:
    """What a sweep came to: its directory, the jobs' final losses in their order, its exit code.

    Of a search there are no losses: its jobs are in no order of the caller's.
    """

    directory: Path
    losses: list[float]
    code: int


def call(
    overrides: Sequence[str], console: Console, notify: Notify | None = None,
    size: int | None = None,
) -> Called:  # fmt: skip
    """What `python -m src.train -m OVERRIDES` does, here.

    console: where the plan and the summary go. notify: told the share that is done, and of
    what, several times a second. size: jobs at once. Raises InputError; SystemExit(130) after
    Ctrl-C. Nothing of Hydra's stays set.
    """
    resolvers.register()
    with initialize_config_dir(str(conf_files.CONF), version_base="1.3"), explained(overrides):
        try:
            return _call(list(overrides), console, notify, size)
        except Refused as error:
            raise InputError(str(error)) from error


def _call(
    overrides: list[str], console: Console, notify: Notify | None, size: int | None
) -> Called:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None, "initialized above"
    loader = hydra.config_loader
    master = loader.load_configuration(conf_files.ROOT, overrides, run_mode=RunMode.MULTIRUN)
    master.hydra.sweeper.max_batch_size = size or master.hydra.sweeper.max_batch_size
    context = HydraContext(config_loader=loader, callbacks=Callbacks())
    params = [f"{key}={value}" for key, value in master.hydra.sweeper.params.items()]
    # Not resolved: an override may be an interpolation, which each job resolves for itself.
    task = OmegaConf.to_container(master.hydra.overrides.task, resolve=False)
    assert isinstance(task, list)
    arguments = [*params, *map(str, task)]
    command = shlex.join(["python", "-m", "src.train", "-m", *overrides])
    directory = Path(str(master.hydra.sweep.dir))
    if str(master.hydra.sweeper._target_).endswith(".SearchSweeper"):
        code = launch_search(master, context, arguments, console, notify, command)
        return Called(directory, [], code)
    most, size = master.sweep.max_runs, master.hydra.sweeper.max_batch_size
    losses, code = [], 0
    for batch in batches(arguments, loader, size, most):
        found = launch(master, context, batch, len(losses), console, notify, command)
        losses += [job.return_value for job in found.jobs]
        code = max(code, found.code)
    return Called(directory, losses, code)
