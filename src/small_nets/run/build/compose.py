"""Composes and checks a config without a command line, for notebooks, tests and benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from small_nets.config import conf_files, resolvers
from small_nets.config.check import folders_of, settle, without_hydra
from small_nets.config.errors import InputError
from small_nets.config.hydra_errors import explained
from small_nets.config.multirun_keys import refuse_mixtures
from small_nets.config.overrides import SWEEP_ONLY, key_of
from small_nets.config.unquoted_values import in_quotes
from small_nets.run.build.preflight import check, refuse_hydra, run_directory


def compose_settings(*overrides: str) -> tuple[dict[str, Any], Mapping[str, str | None]]:
    """The config that a command with these overrides would run, and group -> choice.

    Raises InputError with the message that the command would print.
    """
    config, _ = _compose(overrides)
    choices = config.hydra.runtime.choices
    return check(without_hydra(config), choices, folders_of(config.hydra)), choices


def compose_run(*overrides: str) -> tuple[dict[str, Any], dict[str, str], Path]:
    """The config, the files that Hydra writes to `.hydra/` (name -> YAML), and the directory.

    Raises InputError with the message that the command would print.
    """
    config, left_out = _compose(overrides)
    choices, folders = config.hydra.runtime.choices, folders_of(config.hydra)
    settings = check(without_hydra(config), choices, folders)
    refuse_sweep_settings(overrides)
    for line in left_out:
        print(line)
    task = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    files = {
        "config": OmegaConf.to_yaml(without_hydra(config)),
        "overrides": OmegaConf.to_yaml(OmegaConf.create(task)),
    }
    refuse_hydra(config.hydra, is_sweep=False)
    return settings, files, run_directory(config.hydra)


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """The composed config with its `hydra` node, and messages about keys that were left out."""
    resolvers.register()
    overrides = list(map(in_quotes, overrides))
    refuse_mixtures(overrides, multirun=False)
    with initialize_config_dir(str(conf_files.CONF), version_base="1.3"), explained(overrides):
        config = compose(conf_files.ROOT, overrides, return_hydra_config=True)
    return config, settle(config)


def refuse_sweep_settings(overrides: Sequence[str]) -> None:
    """Raises InputError for a key of a sweep or a search in a single run."""
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
