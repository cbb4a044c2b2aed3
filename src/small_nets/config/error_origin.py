"""Whose fault an exception is: of what was typed or written in a file, or of this program."""

from pathlib import Path
from traceback import walk_tb

import hydra
import omegaconf
from hydra.errors import HydraException
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from small_nets.system.command_names import PACKAGE

# The doors for Hydra lie beside the package, or beside `src/` in a checkout.
OURS = (PACKAGE, *(PACKAGE.parents[n] / "hydra_plugins" for n in (0, 1)))
HYDRA = (Path(str(hydra.__file__)).parent,)
HYDRAS = (*HYDRA, Path(str(omegaconf.__file__)).parent)
# What a value that is read may raise wherever it is read; the value was typed.
READ = (InterpolationKeyError, InterpolationResolutionError)


def is_of_input(error: BaseException) -> bool:
    """Whether Hydra refuses what it was given, or OmegaConf does below it.

    It is so where Hydra was asked to compose or to parse, and nothing of ours was running below
    it; there it raises AssertionErrors and AttributeErrors, too. A KeyError, a TypeError, or an
    attribute that a config does not have, raised by code of ours, is a fault of this program,
    whatever was typed.
    """
    if isinstance(error, READ):
        return True
    frames = walk_tb(error.__traceback__)  # the outermost first
    files = [Path(frame.f_code.co_filename) for frame, _ in frames]
    if not files:
        return isinstance(error, HydraException | OmegaConfBaseException)
    own = max((place for place, file in enumerate(files) if _within(file, OURS)), default=-1)
    first = next((file for file in files[own + 1 :] if _within(file, HYDRAS)), None)
    return first is not None and _within(first, HYDRA)


def _within(file: Path, folders: tuple[Path, ...]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)
