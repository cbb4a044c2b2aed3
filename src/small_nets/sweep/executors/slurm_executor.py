"""Trains tasks as SLURM jobs. submitit writes and submits the job arrays, and does nothing else.

Whether a job lives is read from its journal and from squeue. submitit would ask sacct, which many
clusters do not have, and which may call a killed job unknown for ever.
"""

import json
import os
import shlex
import shutil
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import submitit
from submitit.core.utils import FailedSubmissionError

from small_nets.config.errors import InputError
from small_nets.config.sweep_schema import memory_bytes
from small_nets.sweep.executors import slurm_commands
from small_nets.sweep.executors.orphans import (
    forget_jobs,
    make_folder,
    new_name,
    note_jobs,
    remove_folder,
)
from small_nets.sweep.executors.protocol import Ended
from small_nets.sweep.executors.slurm_job import CANCELLED, perform_shared
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import Done, Lost, Task

ASK = 2.0  # seconds between two questions to SLURM
GRACE = 5.0  # seconds for a killed job's last lines to arrive through the shared folder
PATIENCE = 60.0  # the same for a completed job: NFS may show a new file that late
DEAD = 3  # so many jobs that end before they begin are taken for a fault of the cluster


@dataclass
class _Job:
    """A submitted job.

    number: SLURM's. read: how many lines of its journal were read. running, gone: since when
    SLURM says that it runs, or is gone. state: SLURM's word.
    """

    number: str
    journal: Path
    read: int = 0
    running: float | None = None
    gone: float | None = None
    state: str = ""


class SlurmCluster:
    """An `Executor` on a SLURM cluster: see `protocol`."""

    def __init__(self, section: Mapping[str, Any], sweep: Mapping[str, Any]) -> None:
        missing = [name for name in slurm_commands.COMMANDS if shutil.which(name) is None]
        if missing:
            raise InputError(
                f"executor=slurm: {missing[0]} is not found here.\n"
                "Fix: a login node of the cluster, or executor=local"
            )
        self.part_seconds: float = section["part_seconds"]
        self.stay_local: float = section["stay_local"]
        self.section = section
        memory = memory_bytes(section["memory"])
        assert memory is not None, "checked"
        self.megabytes = memory // 2**20
        own = sweep["memory"] or f"{self.megabytes // 2}MiB"
        self.sweep = dict(sweep) | {"memory": own}
        self.jobs: dict[Hashable, _Job] = {}
        self.asked, self.begun, self.dead, self.lost = 0.0, False, 0, False
        self.unsure = False  # whether a cancelled job may still run
        self.folder: Path | None = None

    def open(self, directory: Path) -> str:
        self.directory = directory.absolute()
        wrong = next((sign for sign in ("%", "\\", "\n") if sign in str(self.directory)), None)
        if wrong is not None:
            raise InputError(
                f"sweep.dir={self.directory}: SLURM reads {wrong!r} in the name of a log as a "
                "pattern.\nFix: another sweep.dir, or executor=local"
            )
        self.name = new_name(self.directory)
        folder = make_folder(self.directory, self.name)
        token = folder.parent / f"seen-{self.name}"
        token.touch()
        try:
            note = slurm_commands.try_node(token, self._options())
        except InputError:
            remove_folder(folder.parent, folder.name)
            raise
        self.folder, self._logs = folder, folder / "log"
        token.unlink()
        note_jobs(self.directory, self.name)
        partition = self.section["partition"] or "default"
        return f"SLURM, partition {partition}" + (f" ({note})" if note else "")

    def _options(self) -> dict[str, Any]:
        s = self.section
        return {
            "partition": s["partition"], "account": s["account"], "qos": s["qos"],
            "cpus-per-task": s["cpus"], "mem": f"{self.megabytes}M",
            "gpus-per-node": s["gpus"] or None,
        }  # fmt: skip

    def close(self) -> None:
        if self.folder is None:
            return
        self.cancel()
        if self.unsure and slurm_commands.may_live(self.name):
            return  # the name stays, so that `cancel_orphans` ends them before the sweep goes on
        forget_jobs(self.directory)
        if not self.lost:  # otherwise the logs say why
            remove_folder(self.folder.parent, self.folder.name)
        self.folder = None

    def slots(self) -> int:
        return self.section["jobs"]

    def waits(self) -> None:
        return None  # `squeue` shows why a job waits

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> Sequence[Hashable]:
        assert self.folder is not None, "opened"
        executor = submitit.SlurmExecutor(self._logs)
        options = {key.replace("-", "_"): v for key, v in self._options().items() if v is not None}
        executor.update_parameters(
            job_name=self.name, time=self.section["time"], array_parallelism=self.section["jobs"],
            setup=[f"export PYTHONPATH={shlex.quote(str(slurm_commands.ROOT))}:$PYTHONPATH"],
            # SLURM would hold a requeued job for two minutes. This process sees a lost node sooner.
            additional_parameters={"no-requeue": True, "chdir": str(slurm_commands.ROOT)},
            **options,
        )  # fmt: skip
        journals = [self.folder / f"{uuid4().hex}.jsonl" for _ in tasks]
        try:
            with executor.batch():
                submitted = [
                    executor.submit(perform_shared, task, form.only(task.jobs), self.sweep,
                                    self.section["cpus"], journal)
                    for task, journal in zip(tasks, journals, strict=True)
                ]  # fmt: skip
        except FailedSubmissionError as error:
            raise OSError(f"sbatch refused: {str(error).strip().splitlines()[-1]}") from error
        for job, journal in zip(submitted, journals, strict=True):
            self.jobs[journal.stem] = _Job(job.job_id, journal)
        return [journal.stem for journal in journals]

    def ended(self, seconds: float, store: Store) -> list[Ended]:
        time.sleep(seconds)
        found: list[Ended] = []
        if time.monotonic() - self.asked > ASK:
            self.asked = time.monotonic()
            self._ask()
        for handle, job in list(self.jobs.items()):
            outcome = self._read(job, store) or self._given_up(job)
            if outcome is not None:
                del self.jobs[handle]
                found.append((handle, outcome))
        return found

    def _ask(self) -> None:
        known = slurm_commands.states(self.name)
        if known is None:
            return
        now = time.monotonic()
        for job in self.jobs.values():
            job.state = known.get(job.number, "")
            if job.state == "RUNNING":
                job.running = job.running or now
            is_gone = job.state not in slurm_commands.ALIVE  # or not listed yet
            job.gone = (job.gone or now) if is_gone else None

    def _read(self, job: _Job, store: Store) -> Done | None:
        """Adopt the parts that a job has written since. Returns its end, or None."""
        if not job.journal.exists():
            return None
        self.begun = True
        lines = job.journal.read_text().split("\n")[:-1]  # the last one may be half written
        for text in lines[job.read :]:
            line = json.loads(text)
            if "failed" in line:
                return Done(line["failed"])
            if "error" in line:
                self.lost = True
                raise OSError(f"a task of SLURM failed: {line['error']}  (logs: {self._logs})")
            store.adopt(line["part"], line["ids"], line["columns"])
        job.read = len(lines)
        return None

    def _given_up(self, job: _Job) -> Lost | None:
        now = time.monotonic()
        grace = PATIENCE if job.state == "COMPLETED" else GRACE
        if job.gone is not None and now - job.gone > grace:
            self._refuse_stillborn(job)
            by_itself = job.state not in slurm_commands.MACHINE
            return self._give_up(job, f"SLURM ended a job ({job.state or 'unknown'})", by_itself)
        silent = self.section["silent"]
        if job.running is not None and now - job.running > silent:
            last = job.journal.stat().st_mtime if job.journal.exists() else 0.0
            # Both times are those of the shared folder: the clocks of two machines may differ.
            if _now(job.journal.parent) - last > silent:
                return self._give_up(job, f"a SLURM job was silent for {silent:.0f} s", False)
        return None

    def _give_up(self, job: _Job, why: str, by_itself: bool) -> Lost:
        self.lost = True
        job.journal.with_suffix(CANCELLED).touch()  # stops a job that SLURM cannot reach
        self.unsure |= not slurm_commands.cancel([job.number])
        return Lost(why, by_itself)

    def _refuse_stillborn(self, job: _Job) -> None:
        """Raises OSError where DEAD jobs in a row ended before they began."""
        self.dead = 0 if self.begun else self.dead + 1
        if self.dead >= DEAD:
            self.lost = True
            logs = sorted(self._logs.glob(f"{job.number}_*.err"))
            text = logs[-1].read_text().strip().splitlines() if logs else []
            last = text[-1] if text else "their logs are empty"
            raise OSError(f"SLURM's jobs end before they begin: {last}  (logs: {self._logs})")

    def cancel(self) -> None:
        self.unsure |= not slurm_commands.cancel([job.number for job in self.jobs.values()])
        for job in self.jobs.values():
            job.journal.with_suffix(CANCELLED).touch()
        self.jobs = {}


def _now(folder: Path) -> float:
    """The time by the clock of the shared folder: that of a new file."""
    path = folder / f"now-{os.getpid()}"
    path.touch()
    try:
        return path.stat().st_mtime
    finally:
        path.unlink()
