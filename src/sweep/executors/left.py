"""Jobs that a driver has left behind when it was killed: cancelled before its work goes on."""

import json
import shutil
import time
from pathlib import Path

from src.errors import InputError
from src.sweep.executors import squeue
from src.sweep.lock import locked

FOLDER, NAMES = "slurm", "jobs.json"
WAIT = 60.0  # seconds until SLURM must have ended them
ASK = 1.0  # seconds between two questions to it


def note_jobs(directory: Path, name: str) -> None:
    """Note the name of the jobs that are about to write into a sweep's directory."""
    (directory / FOLDER / NAMES).write_text(json.dumps(name))


def forget_jobs(directory: Path) -> None:
    """They have ended."""
    (directory / FOLDER / NAMES).unlink(missing_ok=True)


def settle(directory: Path) -> None:
    """Cancel SLURM jobs that still train for this directory, though their driver is dead.

    What they have stored stays. Raises InputError where another process works there, or where
    they cannot be cancelled.
    """
    path = directory / FOLDER / NAMES
    if not path.exists():
        return
    with locked(directory):
        name = json.loads(path.read_text())
        if shutil.which("scancel") is None:
            raise InputError(
                f"sweep.dir={directory} may still be written to by SLURM jobs ({name}), and there "
                f"is no scancel here.\nFix: the same command on the cluster, or, where they have "
                f"ended, remove {path}"
            )
        began = time.monotonic()
        squeue.cancel_named(name)
        while squeue.may_live(name):
            if time.monotonic() - began > WAIT:
                raise InputError(
                    f"sweep.dir={directory} may still be written to: SLURM has not said within "
                    f"{WAIT:.0f} s that the jobs named {name} have ended.\n"
                    f"Fix: scancel --name={name} when SLURM answers, and the same command"
                )
            time.sleep(ASK)
            squeue.cancel_named(name)  # the first may not have come through
        shutil.rmtree(path.parent, ignore_errors=True)
