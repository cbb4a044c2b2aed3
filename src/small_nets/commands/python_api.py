"""A sweep or a search without a command line: for notebooks and tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf
from rich.console import Console

from small_nets.commands.surroundings import undisturbed
from small_nets.config import conf_files, resolvers
from small_nets.config.check import Refused
from small_nets.config.errors import InputError
from small_nets.config.hydra_errors import explained
from small_nets.config.multirun_keys import for_multirun
from small_nets.config.sweep_settings import check_master
from small_nets.config.unquoted_values import in_quotes
from small_nets.run.build.preflight import refuse_hydra
from small_nets.search.launch import launch_search
from small_nets.sweep.jobs.grid import batches, with_folds
from small_nets.sweep.launch import launch
from small_nets.sweep.training.progress import Notify
from small_nets.system.command_names import command_words
from small_nets.system.shell_words import join


@dataclass
class Called:
    """What a sweep came to: its directory, the jobs' final losses in their order, its exit code.

    Of a search there are no losses: its jobs are in no order of the caller's. said: lines on
    settings that were left out.
    """

    directory: Path
    losses: list[float]
    code: int
    said: list[str] = field(default_factory=list)


def call(
    overrides: Sequence[str], console: Console, notify: Notify | None = None,
    size: int | None = None,
) -> Called:  # fmt: skip
    """What `python -m src.train -m OVERRIDES` does, here.

    console: where the plan and the summary go. notify: told the share that is done, and of
    what, several times a second. size: jobs at once. Raises InputError; SystemExit(130) after
    Ctrl-C. Nothing of Hydra's stays set.
    """
    with undisturbed():
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
    composed = for_multirun(list(map(in_quotes, overrides)))
    master = loader.load_configuration(conf_files.ROOT, composed, run_mode=RunMode.MULTIRUN)
    check_master(master)
    refuse_hydra(master.hydra, is_sweep=True)
    master.hydra.sweeper.max_batch_size = size or master.hydra.sweeper.max_batch_size
    context = HydraContext(config_loader=loader, callbacks=Callbacks())
    params = [f"{key}={value}" for key, value in master.hydra.sweeper.params.items()]
    # Not resolved: an override may be an interpolation, which each job resolves for itself.
    task = OmegaConf.to_container(master.hydra.overrides.task, resolve=False)
    assert isinstance(task, list)
    arguments = [*params, *map(str, task)]
    command = join([*command_words("train"), "-m", *overrides])
    directory = Path(str(master.hydra.sweep.dir))
    if str(master.hydra.sweeper._target_).endswith(".SearchSweeper"):
        done = launch_search(master, context, arguments, console, notify, command)
        return Called(directory, [], done.code, done.said)
    most, size = master.sweep.max_runs, master.hydra.sweeper.max_batch_size
    losses, code, said = [], 0, {}
    for batch in batches(with_folds(arguments, master), loader, size, most):
        found = launch(master, context, batch, len(losses), console, notify, command)
        losses += [job.return_value for job in found.jobs]
        code = max(code, found.code)
        said |= dict.fromkeys(found.said)
    return Called(directory, losses, code, list(said))
