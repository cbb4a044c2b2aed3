"""Jobs that a driver has left behind when it was killed: cancelled before its work goes on."""

import hmac
import json
import os
import re
import shutil
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_lock import locked
from small_nets.sweep.executors import slurm_commands
from small_nets.system.private_files import user_secret, vouch

FOLDER, NAMES = "slurm", "jobs.json"
LONGEST = 1_000  # characters of a name that are looked at
STAMP = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-[0-9a-f]{6}"
NAME = re.compile(rf"small-nets-(?P<label>{STAMP})-(?P<proof>[0-9a-f]{{32}})")
# Journals, their marks, submitit's files, and what the folder was tried with.
OURS = re.compile(
    rf"jobs\.json|seen-small-nets-[\w-]+"
    rf"|{STAMP}/(now-\d+|[0-9a-f]{{32}}\.(jsonl|cancelled))"
    rf"|{STAMP}/log/([\w.]+\.(pkl|out|err)|submission_file_[0-9a-f]+\.sh)"
)
WAIT = 60.0  # seconds until SLURM must have ended them
ASK = 1.0  # seconds between two questions to it


def new_name(directory: Path) -> str:
    """A name for the jobs of a sweep's directory that shows whose they are.

    A directory that somebody sent can hold any name, even that of jobs of ours. So the name
    carries a digest of itself and of the directory, under a secret that only this user has:
    without it nothing is cancelled.
    """
    label = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{uuid4().hex[:6]}"
    return f"small-nets-{label}-{_proof(directory, label)}"


def _proof(directory: Path, label: str) -> str:
    """Of a label for a directory's jobs; a digest of chance where no secret can be kept."""
    secret = user_secret() or os.urandom(32)
    return vouch(secret, b"jobs", os.fsencode(directory.resolve()), label.encode()).hex()[:32]


def is_ours(directory: Path, name: object) -> bool:
    """Whether this user's program has given this name to jobs for this directory."""
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    return found is not None and hmac.compare_digest(
        found["proof"], _proof(directory, found["label"])
    )


def make_folder(directory: Path, name: str) -> Path:
    """A folder below a sweep's directory for the jobs of a new name. Raises InputError."""
    found = NAME.fullmatch(name)
    assert found is not None, "as `new_name` makes it"
    folder = directory / FOLDER / found["label"]
    if folder.parent.is_symlink():  # they would write through it
        raise InputError(f"{folder.parent} is a link, where the files of SLURM's jobs go.\n"
                         "Fix: move it away, or another sweep.dir")  # fmt: skip
    folder.mkdir(parents=True)
    return folder


def note_jobs(directory: Path, name: str) -> None:
    """Note the name of the jobs that are about to write into a sweep's directory."""
    (directory / FOLDER / NAMES).write_text(json.dumps(name))


def forget_jobs(directory: Path) -> None:
    """They have ended."""
    (directory / FOLDER / NAMES).unlink(missing_ok=True)


def _noted(directory: Path) -> str:
    """The name of the jobs. Raises InputError where it is none that was given here."""
    path = directory / FOLDER / NAMES
    name = None
    if not path.is_symlink() and not path.parent.is_symlink() and path.is_file():
        with suppress(OSError, ValueError, RecursionError):
            name = json.loads(path.read_text()[:LONGEST])
    if not is_ours(directory, name):
        raise InputError(
            f"{path} speaks of SLURM jobs that you have not started from this directory (it was "
            "moved, or is somebody else's): none was cancelled. They may still write here.\n"
            f"Fix: another sweep.dir, or, where no such job runs any more, remove {path}"
        )
    assert isinstance(name, str)
    return name


def cancel_orphans(directory: Path) -> None:
    """Cancel SLURM jobs that still train for this directory, though their driver is dead.

    Only those whose name shows that this user started them for it, and which SLURM says are his.
    What they have stored stays. Raises InputError where another process works there, or where
    they cannot be cancelled.
    """
    path = directory / FOLDER / NAMES
    if not path.exists() and not path.is_symlink():
        return
    name = _noted(directory)
    with locked(directory):
        if shutil.which("scancel") is None:
            raise InputError(
                f"sweep.dir={directory} may still be written to by SLURM jobs ({name}), and there "
                f"is no scancel here.\nFix: the same command on the cluster, or, where they have "
                f"ended, remove {path}"
            )
        began = time.monotonic()
        slurm_commands.cancel_named(name)
        while slurm_commands.may_live(name):
            if time.monotonic() - began > WAIT:
                raise InputError(
                    f"sweep.dir={directory} may still be written to: SLURM has not said within "
                    f"{WAIT:.0f} s that the jobs named {name} have ended.\n"
                    f"Fix: scancel --me --name={name} when SLURM answers, and the same command"
                )
            time.sleep(ASK)
            slurm_commands.cancel_named(name)  # the first may not have come through
        remove_folder(path.parent)


def remove_folder(folder: Path, label: str = STAMP) -> None:
    """Remove what this program and submitit have written there; any other file stays.

    label: of one time that jobs were sent, as their names have it; else of all.
    """
    if folder.is_symlink():
        return
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside comes first
        below = path.relative_to(folder)
        is_known = len(below.parts) == 1 or re.fullmatch(label, below.parts[0]) is not None
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # somebody's file is in it
                if is_known:
                    path.rmdir()
        elif is_known and not path.is_symlink() and OURS.fullmatch(str(below)):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()
