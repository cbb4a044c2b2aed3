"""What is looked at before a run has its directory: its config, Hydra's own settings, the place."""

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
    check_settings,
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


def check(
    config: DictConfig, choices: Mapping[str, str | None], folders: Sequence[Path] = (CONF,)
) -> dict[str, Any]:
    """Refuse a config with a key that does not exist, or a value that is not allowed.

    choices: group -> choice, as Hydra's runtime.choices gives them.
    Returns the config, resolved, as plain containers, and completed. Raises InputError.
    """
    refuse_removed(config, folders)
    settings = resolve(typed(config))
    check_settings(settings, choices, folders)
    return complete(settings)


class CheckBeforeRun(Callback):
    """Hydra calls this before it makes the run directory: a refused run leaves nothing."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        HydraConfig.instance().set_config(config)  # for a directory named by ${hydra:…}
        with _refused("hydra.run.dir"):
            refuse_hydra(config.hydra, is_sweep=False)
            lines = settle(config)  # here, so that .hydra/config.yaml is what is trained
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
    """Within a callback: what is refused ends the command. Hydra would make a warning of it.

    key: what a directory that cannot be was named by.
    """
    try:
        yield
    except InputError as error:
        raise Refused(error) from error
    except (OSError, OmegaConfBaseException) as error:
        raise Refused(InputError(f"{key} cannot be: {str(error).splitlines()[0]}")) from error


class Claim:
    """A new run's directory, held until the run has ended. Raises InputError, OSError.

    of_this_process: that of the command's one run. has_begun: whether there is something to keep.
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
            self.has_begun = True  # not by this one: what is there stays
            self.leave()
            raise

    def leave(self) -> None:
        """The run has ended, or was refused: then what Hydra wrote for it goes again."""
        self._held.close()

    def _take_back(self) -> None:
        if not self.has_begun:
            shutil.rmtree(self.directory / HYDRA, ignore_errors=True)


def refuse_used(directory: Path, key: str = "hydra.run.dir") -> None:
    """Raises InputError where a run or a sweep already lives in the directory."""
    for name in ("result.json", HYDRA, SWEEP, SWEEP_COPY, MULTIRUN):
        if (directory / name).exists():
            what = "a run" if name in ("result.json", HYDRA) else "a sweep"
            raise InputError(
                f"{key}={directory} already holds {what} ({name}), which would be overwritten.\n"
                "Fix: another directory, or none: each run, and each sweep, gets one of its own"
                + _to_replace(directory)
            )


def _to_replace(directory: Path) -> str:
    """How to have a run where one is, said where nothing else lies there that would be lost."""
    folders = {path.name for path in directory.iterdir() if path.is_dir()}
    if folders - {HYDRA} or directory.is_symlink() or not (directory / HYDRA).is_dir():
        return ""
    return f". To replace it: rm -r {quote_path(directory)}, and the same command"


def run_directory(hydra: DictConfig) -> Path:
    """What `hydra.run.dir` comes to. Raises InputError where it is no path."""
    try:
        found = OmegaConf.select(hydra, "run.dir")
    except OmegaConfBaseException as error:
        raise InputError(f"hydra.run.dir cannot be: {str(error).splitlines()[0]}") from error
    if not isinstance(found, str) or not found.strip() or "\0" in found:
        raise InputError(f"hydra.run.dir={found} is no directory.\nFix: hydra.run.dir=outputs/mine")
    return Path(found)


def refuse_hydra(hydra: DictConfig, is_sweep: bool) -> None:
    """Raises InputError for a setting of Hydra's own that would be followed by half."""
    if hydra.job.chdir:
        raise InputError(
            "hydra.job.chdir=true: a run writes into its own directory as it is, and the paths "
            "that you type, such as data.path, are relative to where you are.\nFix: without it"
        )
    if hydra.output_subdir != HYDRA:
        raise InputError(
            f"hydra.output_subdir={hydra.output_subdir}: a run's settings are looked for in "
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
                f"hydra.sweep.subdir={sweep['subdir']}: a run of a sweep has its number for a "
                "name, by which the tables and the report know it.\nFix: without it, or "
                "hydra/launcher=basic, which trains one run after another"
            )


def _has_our_launcher(hydra: DictConfig) -> bool:
    """Whether a sweep is trained together, and not by Hydra, one run after another."""
    return str(hydra.launcher.get("_target_")).endswith(".BatchedLauncher")


def _hold_multirun(directory: Path) -> None:
    """Hydra's own launcher would write over what is there. Raises InputError."""
    _multirun.enter_context(locked(directory, is_kept=False))
    refuse_used(directory, "sweep.dir")
    _multirun.callback(_take_back, directory.absolute())


def _take_back(directory: Path) -> None:
    """Hydra's list of overrides goes again where no run has begun: the next try is not refused."""
    with suppress(OSError):
        if {path.name for path in directory.iterdir()} <= {MULTIRUN, LOCK, HOLDER}:
            (directory / MULTIRUN).unlink()


_multirun = ExitStack()  # until the command ends


def release() -> None:
    """Leave what this command holds: a run's directory, or that of a multirun of Hydra's own."""
    if Claim.of_this_process is not None:
        Claim.of_this_process.leave()
    _multirun.close()
