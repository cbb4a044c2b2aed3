"""Tells whether an exception comes from the user's input or from a fault of this program."""

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

# Our plugins for Hydra lie beside the package, or beside `src/` in a checkout.
OURS = (PACKAGE, *(PACKAGE.parents[n] / "hydra_plugins" for n in (0, 1)))
HYDRA = (Path(str(hydra.__file__)).parent,)
HYDRAS = (*HYDRA, Path(str(omegaconf.__file__)).parent)
# Errors of a value that was typed, wherever it is read.
READ = (InterpolationKeyError, InterpolationResolutionError)


def is_of_input(error: BaseException) -> bool:
    """Whether Hydra, or OmegaConf called by it, refuses what the user gave.

    That is so if Hydra was asked to compose or to parse, and called none of our code. Its
    AssertionErrors and AttributeErrors count, too. An exception from our own code, such as a
    KeyError or a TypeError, is a fault of this program, whatever the input.
    """
    if isinstance(error, READ):
        return True
    frames = walk_tb(error.__traceback__)  # the outermost frame comes first
    files = [Path(frame.f_code.co_filename) for frame, _ in frames]
    if not files:
        return isinstance(error, HydraException | OmegaConfBaseException)
    own = max((place for place, file in enumerate(files) if _within(file, OURS)), default=-1)
    first = next((file for file in files[own + 1 :] if _within(file, HYDRAS)), None)
    return first is not None and _within(first, HYDRA)


def _within(file: Path, folders: tuple[Path, ...]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)
