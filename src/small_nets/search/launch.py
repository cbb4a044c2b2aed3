"""Starts a search from Hydra's master config."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext
from omegaconf import DictConfig
from rich.console import Console

from small_nets.config import conf_files
from small_nets.config.check import folders_of
from small_nets.config.errors import InputError
from small_nets.config.sweep_settings import check_master, section
from small_nets.run.terminal.tables import new_console
from small_nets.search.sampler_limits import refuse_fresh_seeds, refuse_missing
from small_nets.search.space import space_of
from small_nets.sweep.jobs.grid import folds_of
from small_nets.sweep.launch import Launched, refusing, typed_command

if TYPE_CHECKING:
    from small_nets.sweep.training.progress import Notify


def launch_search(
    master: DictConfig, context: HydraContext, arguments: Sequence[str],
    console: Console | None = None, notify: "Notify | None" = None, command: str | None = None,
) -> Launched:  # fmt: skip
    """Search, and print the summary. Returns no jobs: they are not in an order of the caller's.

    master: the multirun's config. arguments: overrides, some of them ranges. console, notify,
    command: see `small_nets.sweep.launch`. Raises Refused for input that is wrong for the whole
    search, SystemExit(130) after Ctrl-C.
    """
    with refusing(master, arguments):
        settings = _settings(master, folds_of(arguments, master) or 1)
        groups = conf_files.groups(folders_of(master.hydra))
        space = space_of(arguments, context.config_loader, groups)
        # Imported here, so that a wrong command is answered before torch is loaded.
        from small_nets.search.run_search import search_in
        from small_nets.sweep.session import Session

        session = Session(
            master, context, console or new_console(), command or typed_command(), notify
        )
        code = search_in(session, space, settings)
        return Launched([], code, list(session.expander.dropped))


def _settings(master: DictConfig, folds: int) -> dict[str, Any]:
    """The checked values of the section `search`, and the folds. Raises InputError."""
    most = check_master(master)
    found = section(master, "search")
    trials, seeds = found["trials"], found["seeds"]
    if found["objective"] == "bound" and seeds < 2:
        raise InputError("search.objective=bound needs the spread over seeds, and search.seeds="
                         f"{seeds}.\nFix: search.seeds=8, or search.objective=median")  # fmt: skip
    runs = trials * seeds * folds
    if runs > most:
        of_folds = f" and {folds} folds" if folds > 1 else ""
        raise InputError(
            f"search.trials={trials} of {seeds} seeds{of_folds} are {runs:,} runs, more than "
            f"sweep.max_runs={most}.\nFix: sweep.max_runs={runs}"
        )
    if master.hydra.sweeper.get("max_batch_size") is not None:
        raise InputError("hydra.sweeper.max_batch_size is for a sweep.\nFix: search.batch=64")
    if not str(master.hydra.launcher.get("_target_")).endswith(".BatchedLauncher"):
        raise InputError("hydra/sweeper=search trains by itself, and needs no other launcher.\n"
                         "Fix: without hydra/launcher=…")  # fmt: skip
    refuse_missing(found["sampler"])
    if found["fresh_seeds"]:
        refuse_fresh_seeds(found["sampler"])
    return found | {"folds": folds}
