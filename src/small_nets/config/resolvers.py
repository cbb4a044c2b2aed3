"""The names that the config files may interpolate, beside Hydra's own."""

import os
import time

from omegaconf import OmegaConf

from small_nets.config.conf_files import CONF, list_experiments
from small_nets.system.command_names import command


def stamp() -> str:
    """A name that no other run gets: the time, and six random hexadecimal digits."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.urandom(3).hex()}"


def base(group: str, choice: str = "base") -> str:
    """The settings that every choice of a group has, or those of one, as their file states them."""
    # Hydra substitutes $NAMES in what becomes part of its help text.
    return (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8").replace("$", "$$")


def register() -> None:
    """`${stamp:}` for output directories, and for --help `${experiments:}`,
    `${base:data}`, `${command:train}`."""
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("base", base, replace=True)
    OmegaConf.register_new_resolver("command", command, replace=True)
    OmegaConf.register_new_resolver("experiments", list_experiments, replace=True)
