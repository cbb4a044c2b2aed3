"""Overrides -> checked settings, without a command line: for notebooks, tests and benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from src import conf_files, resolvers
from src.check import check, without_hydra
from src.errors import InputError
from src.explain import explained
from src.overrides import SWEEP_ONLY, key_of


def compose_settings(*overrides: str) -> tuple[dict[str, Any], Mapping[str, str | None]]:
    """The settings that a command with these overrides would run, and the choice of each group.

    Raises InputError, as the command would print it.
    """
    config = _compose(overrides)
    choices = config.hydra.runtime.choices
    return check(without_hydra(config), choices), choices


def compose_run(*overrides: str) -> tuple[dict[str, Any], dict[str, str], Path]:
    """The settings, the files that Hydra leaves in `.hydra/` (name -> YAML), and the directory.

    Raises InputError, as the command would print it.
    """
    config = _compose(overrides)
    settings = check(without_hydra(config), config.hydra.runtime.choices)
    refuse_sweep_settings(overrides)
    task = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    files = {
        "config": OmegaConf.to_yaml(without_hydra(config)),
        "overrides": OmegaConf.to_yaml(OmegaConf.create(task)),
    }
    return settings, files, Path(str(config.hydra.run.dir))


def _compose(overrides: Sequence[str]) -> DictConfig:
    resolvers.register()
    with initialize_config_dir(str(conf_files.CONF), version_base="1.3"), explained(overrides):
        return compose(conf_files.ROOT, list(overrides), return_hydra_config=True)


def refuse_sweep_settings(overrides: Sequence[str]) -> None:
    """Raises InputError for a setting of a sweep or a search in a single run."""
    for override in overrides:
        section = key_of(override).split(".")[0]
        if section == "search" or override == "hydra/sweeper=search":
            raise InputError(f"{override} is for a search, and this is a single run.\n"
                             "Fix: -m hydra/sweeper=search in front of the overrides")  # fmt: skip
        if section in SWEEP_ONLY:
            raise InputError(
                f"{override} is for a sweep, and this is a single run.\n"
                "Fix: -m in front of the overrides"
            )
