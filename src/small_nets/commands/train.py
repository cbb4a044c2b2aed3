"""The command: compose, check, then one run."""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import hydra  # noqa: E402
from hydra.core.hydra_config import HydraConfig  # noqa: E402
from hydra.errors import HydraException  # noqa: E402
from hydra.types import RunMode  # noqa: E402
from omegaconf import DictConfig, OmegaConf  # noqa: E402
from omegaconf.errors import OmegaConfBaseException  # noqa: E402

from small_nets.config import resolvers  # noqa: E402
from small_nets.config.check import Refused, folders_of, settle_task  # noqa: E402
from small_nets.config.command_line import arrange, is_multirun, refuse_nodes  # noqa: E402
from small_nets.config.conf_files import CONF  # noqa: E402
from small_nets.config.errors import InputError, say_error, words_of  # noqa: E402
from small_nets.config.hydra_errors import explain  # noqa: E402
from small_nets.config.multirun_keys import as_typed, for_multirun, refuse_mixtures  # noqa: E402
from small_nets.config.overrides import refuse_endless  # noqa: E402
from small_nets.config.resolve import unresolved  # noqa: E402
from small_nets.run.build.compose import refuse_sweep_settings  # noqa: E402
from small_nets.run.build.preflight import HYDRA, Claim, check, release  # noqa: E402
from small_nets.system.printable import take_any_text  # noqa: E402
from small_nets.system.signals import exit_code, was_interrupted  # noqa: E402


@hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
def run_one(config: DictConfig) -> float | None:
    """One run, or one job of a multirun. Returns the final val/loss (train/loss without one)."""
    job = HydraConfig.get()
    directory = Path(job.runtime.output_dir)
    claim = Claim.of_this_process
    typed: Any = OmegaConf.to_container(job.overrides, resolve=False)  # as it stands: ${…} kept
    try:
        if job.mode == RunMode.RUN:
            refuse_sweep_settings([*typed["task"], *typed["hydra"]])
        folders = folders_of(OmegaConf.create({"runtime": job.runtime}))
        # Hydra's own launcher comes here without the callback that drops them.
        dropped = settle_task(config, job.runtime.choices, typed["task"], folders)
        settings = check(config, job.runtime.choices, folders)
        # Imported here: a typo must be answered before torch is loaded.
        from small_nets.engines.cohort import Interrupted
        from small_nets.run.build.build import build
        from small_nets.run.build.differences import differences
        from small_nets.run.fit import final_loss, fit
        from small_nets.run.known_metrics import check_success
        from small_nets.run.terminal.run_summary import show_start
        from small_nets.run.terminal.tables import new_console
        from small_nets.sweep.cohorts.single_run import engine_of

        run = build(settings)
        check_success(run)
        train = engine_of(run)
    except (InputError, OmegaConfBaseException) as error:
        if claim is None:
            _discard(directory)
        said = error if isinstance(error, InputError) else InputError(unresolved(error))
        raise Refused(said) from error
    if claim is not None:
        claim.has_begun = True
    console = new_console()
    for line in dropped:
        console.print(line, soft_wrap=True, highlight=False)
    show_start(console, run, differences(settings, job.runtime.choices, folders))
    # Of a sweep's jobs, only the first could count the imports as its own: none does.
    started = STARTED if job.mode == RunMode.RUN else time.perf_counter()
    try:
        result = fit(run, _relative(directory), console, started, train)
    except Interrupted:
        message = "interrupted: an engine keeps nothing of a run that has not ended"
        console.print(message, style="bold red")
        if claim is not None:
            claim.has_begun = False
        raise SystemExit(exit_code()) from None
    except OSError as error:
        where = error.filename or _relative(directory)
        message = f"{where}: {error.strerror or error}\nWhat was written before is kept."
        raise Refused(InputError(message)) from error
    if result.status == "interrupted":
        raise SystemExit(exit_code())
    return final_loss(result)


def _launch(*arguments: Any) -> Any:
    """All jobs of a multirun at once; `hydra_plugins.batched` looks for it on the task."""
    from small_nets.sweep.launch import launch

    return launch(*arguments)


run_one.__wrapped__.launch = _launch  # type: ignore[attr-defined]


def _relative(directory: Path) -> Path:
    """As the user would type it, where it lies below the present folder."""
    here = Path.cwd()
    return directory.relative_to(here) if directory.is_relative_to(here) else directory


def _discard(directory: Path) -> None:
    """Take back what Hydra made for a job of its own multirun that was then refused."""
    shutil.rmtree(directory / HYDRA, ignore_errors=True)
    for folder in (directory, *directory.parents[:2]):
        try:
            folder.rmdir()
        except OSError:
            return  # not empty, so not only ours


def _message(error: BaseException) -> str | None:
    """What to tell the user; None for a fault of this program, which keeps its traceback."""
    if isinstance(error, Refused | InputError):
        return str(error)
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return words_of(error)
    assert isinstance(error, Exception)
    options, _ = arrange(sys.argv[1:])
    return explain(error, [as_typed(o) for o in options.overrides], _folders(options))


def _folders(options: argparse.Namespace) -> list[Path]:
    own = Path(options.config_dir or CONF)
    return [CONF, own] if own.is_dir() else [CONF]


def _prepare(words: list[str]) -> list[str]:
    """The words as Hydra is to read them. Raises InputError."""
    options, words = arrange(words)
    several = is_multirun(options)
    refuse_nodes(options.overrides)
    refuse_mixtures(options.overrides, several)
    if not several:
        return words
    front = words[: len(words) - len(options.overrides)]
    return front + for_multirun(options.overrides, _folders(options))


def main() -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Without it Hydra prints its own message and exits before ours can be made.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    take_any_text()
    # It says that it makes its list of fonts, once on a machine, in front of our first line.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    resolvers.register()
    try:
        refuse_endless(sys.argv[1:])
        sys.argv[1:] = _prepare(sys.argv[1:])
        run_one()
        message = None
    except KeyboardInterrupt:  # of what has no epochs to finish
        print("interrupted", file=sys.stderr)
        raise SystemExit(exit_code()) from None
    except (Refused, Exception) as error:
        message = None if wants_traceback else _message(error)
        if message is None:
            raise
    finally:
        release()
    if message is not None:
        say_error(message)
        raise SystemExit(2)
    if was_interrupted():  # after the last epoch, so that all there is was written
        raise SystemExit(exit_code())
