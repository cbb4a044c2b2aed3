"""The names that the config files may interpolate, beside Hydra's own."""

import os
import time

from omegaconf import OmegaConf

from src.conf_files import list_experiments


def stamp() -> str:
    """A name that no other run gets: the time, and six random hexadecimal digits."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.urandom(3).hex()}"


def register() -> None:
    """`${stamp:}` for output directories, `${experiments:}` for --help."""
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("experiments", list_experiments, replace=True)
