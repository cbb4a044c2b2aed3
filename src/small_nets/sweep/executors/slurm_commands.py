"""Calls SLURM's commands: asks for the states of jobs, cancels jobs, tests a node."""

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
# States that are not the job's own fault. COMPLETED is one: its files have not arrived yet.
MACHINE = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "CANCELLED", "REVOKED", "COMPLETED", ""}
NUMBER = re.compile(r"\d+(_\d+)?")  # the number of a job, or of one of a job array
WAIT = 15  # seconds to wait for a free node to test


def states(name: str) -> dict[str, str] | None:
    """Job number -> state, for this user's jobs of a name, and those that ended minutes ago.

    None where SLURM does not answer: there may be jobs all the same.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", f"--name={name}",
               "--format=%i|%T"]  # fmt: skip
    done = _run(command)
    if done is None or done.returncode != 0:
        return None
    found = (line.split("|", 1) for line in done.stdout.split() if "|" in line)
    return {job: state for job, state in found if NUMBER.fullmatch(job)}


def may_live(name: str) -> bool:
    """Whether a job of this name may still run. True where SLURM does not answer."""
    found = states(name)
    return found is None or not ALIVE.isdisjoint(found.values())


def cancel(jobs: Sequence[str]) -> bool:
    """Cancel jobs. Returns whether SLURM accepted; it may refuse where some have ended."""
    if not jobs:
        return True
    done = _run(["scancel", *jobs])
    return done is not None and done.returncode == 0


def cancel_named(name: str) -> None:
    """Cancel, by their numbers, this user's jobs of a name that SLURM says are alive."""
    found = states(name) or {}
    cancel([job for job, state in found.items() if state in ALIVE])


def try_node(token: Path, options: Mapping[str, Any]) -> str | None:
    """Test whether a node sees a file and has the same versions.

    options: of srun. Returns a note where no node was free, else None. Raises InputError where
    the test fails.
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
            f"executor=slurm: a job that only tests a node failed: {last}\nFix: the keys below "
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
            start_new_session=True,  # so that Ctrl-C does not reach it
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
