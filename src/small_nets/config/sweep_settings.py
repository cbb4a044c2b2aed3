"""Checks what concerns a whole sweep: the sections sweep, search and executor. Without torch."""

from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf

from small_nets.config import conf_files
from small_nets.config.check import check_keys, folders_of, refuse_removed, without_hydra
from small_nets.config.errors import InputError
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.resolve import resolve
from small_nets.config.schema import check_value
from small_nets.config.sections import check_section, no_choice
from small_nets.config.sizes import check_sizes


def check_master(master: DictConfig) -> int:
    """Check the sections sweep, search and executor. Returns sweep.max_runs. Raises InputError.

    master: the config that Hydra composes without what is swept, with its `hydra` node.
    """
    folders, choices = folders_of(master.hydra), master.hydra.runtime.choices
    known = conf_files.root(folders)
    refuse_removed(master, folders)
    for section in SWEEP_ONLY:
        value = OmegaConf.select(master, section)
        found: Any = resolve(value) if isinstance(value, DictConfig) else value
        if section in known:
            check_keys(section, found, known[section], choices, folders)
        elif not isinstance(found, dict) or choices.get(section) is None:
            raise no_choice(section, found, folders)
        else:
            check_section(section, found, choices, folders)
    _refuse_sizes(master)
    return check_value("sweep.max_runs", resolve(master.sweep)["max_runs"])


def _refuse_sizes(master: DictConfig) -> None:
    """Raises InputError where what all jobs share is too large.

    Invalid values are ignored here. They are refused when the configs of the jobs are checked.
    """
    settings = resolve(without_hydra(master))
    with suppress(ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        check_sizes(settings)


def section(master: DictConfig, name: str) -> dict[str, Any]:
    """The checked values of a section: sweep, search or executor. Raises InputError."""
    found = OmegaConf.to_container(master[name], resolve=True)
    if not isinstance(found, dict):
        raise InputError(f"{name}={found} replaces a section with the keys of a sweep.\n"
                         f"Fix: without {name}=…")  # fmt: skip
    return {str(key): check_value(f"{name}.{key}", value) for key, value in found.items()}
