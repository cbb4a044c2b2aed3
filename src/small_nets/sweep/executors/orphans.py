"""Cancels the SLURM jobs that a killed driver left behind, before its sweep goes on."""

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
LONGEST = 1_000  # characters of a stored name that are read
STAMP = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-[0-9a-f]{6}"
NAME = re.compile(rf"small-nets-(?P<label>{STAMP})-(?P<proof>[0-9a-f]{{32}})")
# Journals and their marks, submitit's files, and the files by which the folder was tested.
OURS = re.compile(
    rf"jobs\.json|seen-small-nets-[\w-]+"
    rf"|{STAMP}/(now-\d+|[0-9a-f]{{32}}\.(jsonl|cancelled))"
    rf"|{STAMP}/log/([\w.]+\.(pkl|out|err)|submission_file_[0-9a-f]+\.sh)"
)
WAIT = 60.0  # seconds within which SLURM must have ended the jobs
ASK = 1.0  # seconds between two questions to SLURM


def new_name(directory: Path) -> str:
    """A name for the SLURM jobs of a sweep's directory that proves who started them.

    A directory from somebody else can hold any name, even one of this user's other jobs. So the
    name carries a signature of itself and of the directory, made with a secret that only this
    user has. Jobs without that signature are never cancelled.
    """
    label = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{uuid4().hex[:6]}"
    return f"small-nets-{label}-{_proof(directory, label)}"


def _proof(directory: Path, label: str) -> str:
    """The signature of a label and a directory; a random one where no secret can be stored."""
    secret = user_secret() or os.urandom(32)
    return vouch(secret, b"jobs", os.fsencode(directory.resolve()), label.encode()).hex()[:32]


def is_ours(directory: Path, name: object) -> bool:
    """Whether this user's program gave this name to jobs of this directory."""
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    return found is not None and hmac.compare_digest(
        found["proof"], _proof(directory, found["label"])
    )


def make_folder(directory: Path, name: str) -> Path:
    """Make a folder below a sweep's directory for the files of jobs with a new name.

    Raises InputError where that would write through a link.
    """
    found = NAME.fullmatch(name)
    assert found is not None, "as `new_name` makes it"
    folder = directory / FOLDER / found["label"]
    if folder.parent.is_symlink():
        raise InputError(f"{folder.parent} is a link; the files of SLURM's jobs would go there.\n"
                         "Fix: move it away, or another sweep.dir")  # fmt: skip
    folder.mkdir(parents=True)
    return folder


def note_jobs(directory: Path, name: str) -> None:
    """Store the name of the jobs that are about to write into a sweep's directory."""
    (directory / FOLDER / NAMES).write_text(json.dumps(name))


def forget_jobs(directory: Path) -> None:
    """Remove the stored name of jobs that have ended."""
    (directory / FOLDER / NAMES).unlink(missing_ok=True)


def _noted(directory: Path) -> str:
    """The stored name of the jobs. Raises InputError for one that was not given here."""
    path = directory / FOLDER / NAMES
    name = None
    if not path.is_symlink() and not path.parent.is_symlink() and path.is_file():
        with suppress(OSError, ValueError, RecursionError):
            name = json.loads(path.read_text()[:LONGEST])
    if not is_ours(directory, name):
        raise InputError(
            f"{path} names SLURM jobs that you have not started from this directory (it was "
            "moved, or is somebody else's): none was cancelled. They may still write here.\n"
            f"Fix: another sweep.dir, or, where no such job runs any more, remove {path}"
        )
    assert isinstance(name, str)
    return name


def cancel_orphans(directory: Path) -> None:
    """Cancel SLURM jobs that still train for this directory, though their driver is dead.

    Only jobs that this user started for this directory are cancelled: their name proves it, and
    SLURM lists them as this user's. What they stored stays. Raises InputError where another
    process works in the directory, or where the jobs cannot be cancelled.
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
            slurm_commands.cancel_named(name)  # the first request may have been lost
        remove_folder(path.parent)


def remove_folder(folder: Path, label: str = STAMP) -> None:
    """Remove the files of this program and of submitit from a folder; other files stay.

    label: a pattern; only what belongs to jobs with such a label is removed.
    """
    if folder.is_symlink():
        return
    for path in sorted(folder.rglob("*"), reverse=True):  # files come before their folders
        below = path.relative_to(folder)
        is_known = len(below.parts) == 1 or re.fullmatch(label, below.parts[0]) is not None
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it holds another file
                if is_known:
                    path.rmdir()
        elif is_known and not path.is_symlink() and OURS.fullmatch(str(below)):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()
