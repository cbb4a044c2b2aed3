"""Jobs that a driver has left behind when it was killed: cancelled before its work goes on."""

import json
import shutil
import time
from pathlib import Path

from src.errors import InputError
from src.sweep.executors import squeue
from src.sweep.lock import locked

FOLDER, NAMES = "slurm", "jobs.json"
WAIT = 60.0


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
        squeue.cancel_named(name)
        began = time.monotonic()
        while set((squeue.states(name) or {}).values()) & squeue.ALIVE:
            if time.monotonic() - began > WAIT:
                raise InputError(f"SLURM has not ended the jobs named {name} within {WAIT:.0f} s.\n"
                                 f"Fix: scancel --name={name}, and the same command")  # fmt: skip
            time.sleep(0.5)
        shutil.rmtree(path.parent, ignore_errors=True)
