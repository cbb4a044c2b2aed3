"""Checks before a run has its directory: its config, Hydra's own keys, and the place."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from small_nets.config.check import (
    Refused,
    check_config,
    folders_of,
    refuse_removed,
    settle,
    without_hydra,
)
from small_nets.config.conf_files import CONF
from small_nets.config.errors import InputError
from small_nets.config.overrides import key_of
from small_nets.config.resolve import resolve, typed
from small_nets.data.table_settings import complete
from small_nets.run.outputs.directory_kind import SWEEP, SWEEP_COPY, is_job
from small_nets.run.outputs.directory_lock import HOLDER, LOCK, locked
from small_nets.system.printable import printable
from small_nets.system.shell_words import quote_path
from small_nets.system.signals import at_end

HYDRA, MULTIRUN = ".hydra", "multirun.yaml"
# What a run leaves in its directory, beside event files.
OF_A_RUN = {
    *(HYDRA, "result.json", "checkpoint.ckpt", "weights.safetensors", "path.safetensors"),
    *("fit.png", "loss.png", "confusion.png", "optimal_lr.png", "parts.png", "features.png"),
    *("surface.png", "sharpness.png", "training.gif"),
}


def check(
    config: DictConfig, choices: Mapping[str, str | None], folders: Sequence[Path] = (CONF,)
) -> dict[str, Any]:
    """Check a composed config, and return it resolved, completed and in plain containers.

    choices: group -> choice, Hydra's runtime.choices. folders: the config folders. Raises
    InputError for an unknown key or a value that is not allowed.
    """
    refuse_removed(config, folders)
    settings = resolve(typed(config))
    check_config(settings, choices, folders)
    return complete(settings)


class CheckBeforeRun(Callback):
    """Called by Hydra before it makes the run's directory, so that a refused run leaves nothing."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        HydraConfig.instance().set_config(config)  # for a directory named by ${hydra:…}
        with _refused("hydra.run.dir"):
            refuse_hydra(config.hydra, is_sweep=False)
            lines = settle(config)  # before Hydra writes .hydra/config.yaml
            if not isinstance(config.hydra.job.env_set, DictConfig):
                raise InputError("hydra.job.env_set holds no NAME: VALUE.\n"
                                 "Fix: 'hydra.job.env_set={NAME: VALUE}'")  # fmt: skip
            check(without_hydra(config), config.hydra.runtime.choices, folders_of(config.hydra))
            Claim.of_this_process = Claim(run_directory(config.hydra))
            for line in lines:
                print(printable(line))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        with _refused("sweep.dir"):
            refuse_hydra(config.hydra, is_sweep=True)
            if not _has_our_launcher(config.hydra):
                _hold_multirun(Path(str(config.hydra.sweep.dir)))


@contextmanager
def _refused(key: str) -> Iterator[None]:
    """Within the block, errors of the input become Refused, which ends the command.

    Hydra would turn them into warnings. key: the key of the directory, for its errors.
    """
    try:
        yield
    except InputError as error:
        raise Refused(error) from error
    except (OSError, OmegaConfBaseException) as error:
        raise Refused(InputError(f"{key} is invalid: {str(error).splitlines()[0]}")) from error


class Claim:
    """Locks a new run's directory until the run has ended. Raises InputError, OSError.

    of_this_process: the claim of the command's run. has_begun: whether the directory has something
    to keep.
    """

    of_this_process: "Claim | None" = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        if is_job(self.directory):
            raise InputError(
                f"hydra.run.dir={directory} is where the sweep in {directory.parent} has, or will "
                f"have, its run {directory.name}.\nFix: another directory, or none: each run gets "
                "one of its own"
            )
        self.has_begun = False
        self._held = ExitStack()
        self._held.enter_context(locked(self.directory, "hydra.run.dir=", is_kept=False))
        self._held.callback(self._take_back)
        self._held.enter_context(at_end(self.leave))
        try:
            refuse_used(directory)
        except InputError:
            self.has_begun = True  # another run's files are there, and stay
            self.leave()
            raise

    def leave(self) -> None:
        """Unlock the directory. If the run was refused, remove what Hydra wrote for it."""
        self._held.close()

    def _take_back(self) -> None:
        if not self.has_begun:
            shutil.rmtree(self.directory / HYDRA, ignore_errors=True)


def refuse_used(directory: Path, key: str = "hydra.run.dir") -> None:
    """Raises InputError where the directory holds a run or a sweep already."""
    for name in ("result.json", HYDRA, SWEEP, SWEEP_COPY, MULTIRUN):
        if (directory / name).exists():
            what = "a run" if name in ("result.json", HYDRA) else "a sweep"
            raise InputError(
                f"{key}={directory} already holds {what} ({name}), which would be overwritten.\n"
                "Fix: another directory, or none: each run, and each sweep, gets one of its own"
                + _to_replace(directory)
            )


def _to_replace(directory: Path) -> str:
    """How to have a run where one is, said where nothing else lies there that would be lost.

    Not of an interrupted run either: its checkpoint is what the same command may want to go on
    from.
    """
    names = (path.name for path in directory.iterdir())
    is_alone = all(name in OF_A_RUN or name.startswith("events.out.") for name in names)
    if not is_alone or directory.is_symlink() or not _has_ended(directory / "result.json"):
        return ""
    return f". To replace it: rm -r {quote_path(directory)}, and the same command"


def _has_ended(result: Path) -> bool:
    try:
        found = json.loads(result.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("status") in ("completed", "diverged")


def run_directory(hydra: DictConfig) -> Path:
    """The path that `hydra.run.dir` resolves to. Raises InputError where it is not a path."""
    try:
        found = OmegaConf.select(hydra, "run.dir")
    except OmegaConfBaseException as error:
        raise InputError(f"hydra.run.dir is invalid: {str(error).splitlines()[0]}") from error
    if not isinstance(found, str) or not found.strip() or "\0" in found:
        raise InputError(f"hydra.run.dir={found} is not a directory.\n"
                         "Fix: hydra.run.dir=outputs/mine")  # fmt: skip
    return Path(found)


def refuse_hydra(hydra: DictConfig, is_sweep: bool) -> None:
    """Raises InputError for a key of Hydra's own that this program would follow only in part."""
    if hydra.job.chdir:
        raise InputError(
            "hydra.job.chdir=true: a run writes into its own directory as it is, and the paths "
            "that you type, such as data.path, are relative to where you are.\nFix: without it"
        )
    if hydra.output_subdir != HYDRA:
        raise InputError(
            f"hydra.output_subdir={hydra.output_subdir}: a run's config is read from "
            f"{HYDRA}.\nFix: without it"
        )
    overrides: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
    typed = [key_of(o) for o in overrides]
    other, mode = ("hydra.run.dir", "a single run") if is_sweep else ("hydra.sweep", "a sweep")
    wrong = [key for key in typed if key == other or key.startswith(f"{other}.")]
    if wrong:
        fix = "sweep.dir=…" if is_sweep else "hydra.run.dir=…, or -m in front of the overrides"
        raise InputError(f"{wrong[0]} is for {mode}.\nFix: {fix}")
    if is_sweep:
        if not OmegaConf.is_dict(hydra.launcher) or not hydra.launcher.get("_target_"):
            raise InputError("hydra.launcher has no _target_, so nothing launches the runs.\n"
                             "Fix: hydra/launcher=batched, or hydra/launcher=basic")  # fmt: skip
        sweep: Any = OmegaConf.to_container(hydra.sweep, resolve=False)
        if _has_our_launcher(hydra) and sweep["subdir"] != "${hydra:job.num}":
            raise InputError(
                f"hydra.sweep.subdir={sweep['subdir']}: a run of a sweep is named by its number, "
                "which the tables and the report use.\nFix: without it, or hydra/launcher=basic, "
                "which trains one run after another"
            )


def _has_our_launcher(hydra: DictConfig) -> bool:
    """Whether our launcher trains the sweep, not Hydra's, one run after another."""
    return str(hydra.launcher.get("_target_")).endswith(".BatchedLauncher")


def _hold_multirun(directory: Path) -> None:
    """Lock the directory of Hydra's own multirun, which would overwrite. Raises InputError."""
    _multirun.enter_context(locked(directory, is_kept=False))
    refuse_used(directory, "sweep.dir")
    _multirun.callback(_take_back, directory.absolute())


def _take_back(directory: Path) -> None:
    """Remove multirun.yaml where no run has begun, so that the next try is not refused."""
    with suppress(OSError):
        if {path.name for path in directory.iterdir()} <= {MULTIRUN, LOCK, HOLDER}:
            (directory / MULTIRUN).unlink()


_multirun = ExitStack()  # holds the lock of a multirun until the command ends


def release() -> None:
    """Unlock the directory of this command's run, or of its multirun."""
    if Claim.of_this_process is not None:
        Claim.of_this_process.leave()
    _multirun.close()
