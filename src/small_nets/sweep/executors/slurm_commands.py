"""SLURM's own commands: ask for jobs, cancel them, try a node."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError
from small_nets.sweep.executors.protocol import other_versions
from small_nets.system.command_names import PACKAGE

ROOT = PACKAGE.parent  # where a node finds the package
COMMANDS = ("sbatch", "squeue", "scancel", "srun")
ALIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "STOPPED"),
    *("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "SIGNALING", "STAGE_OUT"),
}
# No fault of the job; of one that is COMPLETED the words have not come through.
MACHINE = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "CANCELLED", "REVOKED", "COMPLETED", ""}
NUMBER = re.compile(r"\d+(_\d+)?")  # of a job, or of one of an array
WAIT = 15  # seconds for a free node to be tried


def states(name: str) -> dict[str, str] | None:
    """Job -> state of this user's jobs of a name, those that ended some minutes ago included.

    None where SLURM does not answer, which is not the same as that there are none.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", f"--name={name}",
               "--format=%i|%T"]  # fmt: skip
    done = _run(command)
    if done is None or done.returncode != 0:
        return None
    found = (line.split("|", 1) for line in done.stdout.split() if "|" in line)
    return {job: state for job, state in found if NUMBER.fullmatch(job)}


def may_live(name: str) -> bool:
    """Whether a job of a name has not ended, or may have not: SLURM does not answer."""
    found = states(name)
    return found is None or not ALIVE.isdisjoint(found.values())


def cancel(jobs: Sequence[str]) -> bool:
    """Cancel jobs; whether SLURM took it, which it may not where some have ended already."""
    if not jobs:
        return True
    done = _run(["scancel", *jobs])
    return done is not None and done.returncode == 0


def cancel_named(name: str) -> None:
    """Cancel this user's jobs of a name that SLURM says are alive, by their numbers."""
    found = states(name) or {}
    cancel([job for job, state in found.items() if state in ALIVE])


def try_node(token: Path, options: Mapping[str, Any]) -> str | None:
    """Whether a node sees this file and has these versions; what to say if none is free.

    options: of srun. Raises InputError.
    """
    flags = [f"--{key}={value}" for key, value in options.items() if value is not None]
    module = "small_nets.sweep.executors.slurm_job"
    code = f"import runpy; runpy.run_module('{module}', run_name='__main__')"
    command = ["srun", f"--immediate={WAIT}", "--nodes=1", "--ntasks=1", "--time=5", "--quiet",
               *flags, f"--chdir={ROOT}", sys.executable, "-c", code, str(token)]  # fmt: skip
    done = _run(command, 180)
    if done is None:
        return "no node answered in time to be tried"
    said = done.stderr.strip()
    if done.returncode != 0 and ("busy" in said or "Unable to create step" in said):
        return "no node was free to be tried"
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
        raise InputError(
            f"executor=slurm: a job that only looks around failed: {last}\nFix: the settings below "
            "executor (partition, account, memory, …), or this project and its environment in a "
            "folder that the nodes share"
        )
    found = json.loads(lines[-1])
    if not found["shared"]:
        raise InputError(
            f"sweep.dir={token.parent.parent} is not shared with SLURM's nodes: a file that was "
            "written here is not seen there.\nFix: sweep.dir in a folder that they share"
        )
    if differ := other_versions(found["versions"]):
        raise InputError(f"a SLURM node has other versions: {differ}.\n"
                         "Fix: the same environment in a folder that they share")  # fmt: skip
    return None


def _run(command: Sequence[str], seconds: float = 30) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT,
            start_new_session=True,  # Ctrl-C is not for it
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
