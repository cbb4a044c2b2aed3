"""The command: compose, check, then one run. Nothing imports this file: it is __main__."""

import os
import shutil
import sys
import time

STARTED = time.perf_counter()
if not __package__:
    raise SystemExit("Error: run it from the project's folder as: python -m src.train")

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import hydra  # noqa: E402
from hydra._internal.utils import get_args_parser  # noqa: E402
from hydra.core.hydra_config import HydraConfig  # noqa: E402
from hydra.errors import HydraException  # noqa: E402
from hydra.types import RunMode  # noqa: E402
from omegaconf import DictConfig, OmegaConf  # noqa: E402

from src import resolvers  # noqa: E402
from src.check import Refused, check, folders_of  # noqa: E402
from src.compose import refuse_sweep_settings  # noqa: E402
from src.conf_files import CONF  # noqa: E402
from src.errors import InputError, words_of  # noqa: E402
from src.explain import explain  # noqa: E402


@hydra.main(config_path="../conf", config_name="train", version_base="1.3")
def run_one(config: DictConfig) -> float | None:
    """One run, or one job of a multirun. Returns the final val/loss (train/loss without one)."""
    job = HydraConfig.get()
    directory = Path(job.runtime.output_dir)
    try:
        if job.mode == RunMode.RUN:
            refuse_sweep_settings([*job.overrides.task, *job.overrides.hydra])
        folders = folders_of(OmegaConf.create({"runtime": job.runtime}))
        settings = check(config, job.runtime.choices, folders)
        # Imported here: a typo must be answered before torch is loaded.
        from src.build import build
        from src.console import show_start
        from src.differences import differences
        from src.engine import engine_of
        from src.engines.cohort import Interrupted
        from src.fit import final_loss, fit
        from src.terminal import new_console

        run = build(settings)
        train = engine_of(run)
    except InputError as error:
        _discard(directory, any(o.startswith("hydra.run.dir=") for o in job.overrides.hydra))
        raise Refused(error) from error
    console = new_console()
    show_start(console, run, differences(settings, job.runtime.choices, folders))
    # Of a sweep's jobs, only the first could count the imports as its own: none does.
    started = STARTED if job.mode == RunMode.RUN else time.perf_counter()
    try:
        result = fit(run, _relative(directory), console, started, train)
    except Interrupted:
        message = "interrupted: an engine keeps nothing of a run that has not ended"
        console.print(message, style="bold red")
        raise SystemExit(130) from None
    except OSError as error:
        where = error.filename or _relative(directory)
        message = f"{where}: {error.strerror or error}\nWhat was written before is kept."
        raise Refused(InputError(message)) from error
    if result.status == "interrupted":
        raise SystemExit(130)
    return final_loss(result)


def _launch(*arguments: Any) -> Any:
    """All jobs of a multirun at once; `hydra_plugins.batched` looks for it on the task."""
    from src.sweep.launch import launch

    return launch(*arguments)


run_one.__wrapped__.launch = _launch  # type: ignore[attr-defined]


def _relative(directory: Path) -> Path:
    """As the user would type it, where it lies below the present folder."""
    here = Path.cwd()
    return directory.relative_to(here) if directory.is_relative_to(here) else directory


def _discard(directory: Path, named_by_user: bool) -> None:
    """Take back what Hydra made for a run that was then refused.

    A directory that the user named may have been his before; only `.hydra` in it was not, and
    would make the corrected command look like a second run in the same place.
    """
    shutil.rmtree(directory / ".hydra", ignore_errors=True)
    if named_by_user:
        return
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
    options = get_args_parser().parse_args()
    more = [Path(options.config_dir)] if options.config_dir else []
    return explain(error, options.overrides, [CONF, *more])


def main() -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Without it Hydra prints its own message and exits before ours can be made.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    resolvers.register()
    # Hydra's parser stops at an option between overrides.
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))
    try:
        run_one()
        return
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except (Refused, Exception) as error:
        message = None if wants_traceback else _message(error)
        if message is None:
            raise
    print(f"Error: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
