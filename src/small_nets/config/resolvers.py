"""The resolvers that config files may use besides Hydra's own, such as `${stamp:}`."""

import os
import time

from omegaconf import OmegaConf

from small_nets.config.conf_files import CONF, list_experiments
from small_nets.system.command_names import command


def stamp() -> str:
    """A unique name for a run: the time, and six random hexadecimal digits."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.urandom(3).hex()}"


def base(group: str, choice: str = "base") -> str:
    """The text of a choice's file, for --help. `base` has the keys that all choices share."""
    # Hydra replaces $NAMES in its help text, so each $ is doubled.
    return (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8").replace("$", "$$")


def register() -> None:
    """Register `${stamp:}`, for output directories, and three others, for --help."""
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("base", base, replace=True)
    OmegaConf.register_new_resolver("command", command, replace=True)
    OmegaConf.register_new_resolver("experiments", list_experiments, replace=True)
