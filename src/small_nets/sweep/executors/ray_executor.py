"""Trains tasks as plain Ray tasks. Their parts come back to this process: no folder is shared.

The nodes need this project's dependencies. The project's own code is sent to them.
"""

import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, NodeDiedError, ObjectLostError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from small_nets.config.errors import InputError
from small_nets.config.schema import check_value
from small_nets.run.outputs.result import versions
from small_nets.sweep.executors.protocol import Ended, other_versions
from small_nets.sweep.executors.remote_worker import files_of, perform_with_files
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat
from small_nets.sweep.training.task import Done, Lost, Task
from small_nets.system.command_names import PACKAGE
from small_nets.system.signals import SIGNALS

ANSWER = 15.0  # seconds within which a cluster has to answer
BEGIN = 90.0  # seconds within which a node has to start a process that imports torch


class RayCluster:
    """An `Executor` on a Ray cluster: see `protocol`."""

    def __init__(self, section: Mapping[str, Any], sweep: Mapping[str, Any]) -> None:
        self.part_seconds: float = section["part_seconds"]
        self.stay_local: float = section["stay_local"]
        self.cpus, self.gpus, self.sweep = section["cpus"], section["gpus"], dict(sweep)
        self.address = section["address"] or os.environ.get("RAY_ADDRESS")
        self.running: dict[ray.ObjectRef, Task] = {}
        self.files: dict[str, ray.ObjectRef] = {}
        if self.address is not None:
            _refuse_unanswered(self.address)

    def open(self, directory: Path) -> str:
        del directory  # the nodes do not see it
        if not ray.is_initialized():
            _connect(self.address)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        _refuse_other_versions(nodes)
        cores = int(ray.cluster_resources().get("CPU", 0))
        if self._at_once() == 0:
            raise InputError(
                f"executor.cpus={self.cpus} executor.gpus={self.gpus}: no node of this Ray cluster "
                f"has as many ({cores} cores on {len(nodes)} nodes).\nFix: executor.cpus=1"
            )
        where = self.address or "on this machine"
        return f"Ray {where}: {len(nodes)} nodes, {cores} cores"

    def close(self) -> None:
        ray.shutdown()

    def _at_once(self) -> int:
        """The number of tasks that all nodes together can train at a time."""
        count = 0
        for node in ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                fit = [int(has.get("CPU", 0) // self.cpus)]
                fit += [int(has.get("GPU", 0) // self.gpus)] if self.gpus else []
                count += min(fit)
        return count

    def slots(self) -> int:
        return 2 * max(self._at_once(), 1)  # for each that trains, one waits

    def waits(self) -> str | None:
        if self._at_once() > 0:
            return None
        wanted = f"executor.cpus={self.cpus} executor.gpus={self.gpus}"
        return f"no node of the Ray cluster has {wanted} now: waiting for one (Ctrl-C stops)"

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> Sequence[Hashable]:
        # Ray does not try again: a lost task goes back to `drive`, which decides that.
        options = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)
        remote = options(perform_with_files)
        found = []
        for task in tasks:
            names = files_of(task.jobs)
            for name in names:
                if name not in self.files:
                    self.files[name] = ray.put(Path(name).read_bytes())
            # Ray replaces references by contents only where each is an argument of its own.
            contents = {name: self.files[name] for name in names}
            ref = remote.remote(
                task, form.only(task.jobs), self.sweep, self.cpus, *chain(*contents.items())
            )
            self.running[ref] = task
            found.append(ref)
        return found

    def ended(self, seconds: float, store: Store) -> list[Ended]:
        del store  # parts come back as results
        done, _ = ray.wait(list(self.running), num_returns=1, timeout=seconds)
        return [(ref, self._outcome(ref)) for ref in done if self.running.pop(ref)]

    def _outcome(self, ref: ray.ObjectRef) -> Done | Lost:
        try:
            return ray.get(ref)
        except RayTaskError as error:
            raise OSError(f"a task of Ray failed: {error.cause}") from error
        except (NodeDiedError, ObjectLostError) as error:
            return Lost(f"a node of Ray died ({type(error).__name__})", by_itself=False)
        except RayError as error:
            return Lost(f"a worker of Ray died ({type(error).__name__})", by_itself=True)

    def cancel(self) -> None:
        for ref in self.running:
            ray.cancel(ref, force=True)
        self.running = {}


def _refuse_unanswered(address: str) -> None:
    """Raises InputError where no Ray answers at an address."""
    if address == "auto":
        return
    check_value("executor.address", address)  # RAY_ADDRESS may be of any form
    host, _, port = address.rpartition(":")
    fix = "Fix: the address that `ray start --head` printed, or executor=local"
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except OSError as error:
        why = error.strerror or error
        raise InputError(
            f"executor.address={address}: nothing answers there ({why}).\n{fix}"
        ) from error
    # Ray itself would try for three minutes.
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER, check=False)
        is_ray = done.returncode == 0
    except subprocess.TimeoutExpired:
        is_ray = False
    if not is_ray:
        raise InputError(f"executor.address={address}: what answers there is not Ray.\n{fix}")


def _connect(address: str | None) -> None:
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # Ray prints some hundred lines of the log of a lost node, and has no switch for that. Our own
    # message says that a node was lost.
    internals = importlib.import_module("ray._private.worker")
    if hasattr(internals, "print_to_stdstream"):
        internals.print_to_stdstream = lambda *_, **__: None  # type: ignore[attr-defined]
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            configure_logging=False,
            include_dashboard=None if address else False,
            runtime_env={"py_modules": [str(PACKAGE)]},
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"executor.address={address}: {str(error).splitlines()[0]}\n"
            "Fix: a cluster with this machine's Ray and Python, or executor=local"
        ) from error
    finally:
        for number, handler in handlers.items():  # Ray replaces the handler of SIGTERM
            if handler is not None:
                signal.signal(number, handler)


def _versions() -> dict[str, str]:
    return versions()  # Ray takes only plain functions, and `versions` is cached


def _refuse_other_versions(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Raises InputError where a node's packages have other versions, or it has no torch."""
    probe = ray.remote(num_cpus=0, max_retries=0)(_versions)
    asked = {
        node["NodeID"]: probe.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in nodes
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=BEGIN)
    names = {node["NodeID"]: f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
             for node in nodes}  # fmt: skip
    for node, ref in asked.items():
        try:
            found = ray.get(ref, timeout=0)
        except GetTimeoutError:
            raise InputError(
                f"{names[node]} of the Ray cluster has not answered within {BEGIN:.0f} s.\n"
                "Fix: a cluster without it, or executor=local"
            ) from None
        except RayError as error:
            cause = getattr(error, "cause", None) or str(error).splitlines()[0]
            raise InputError(
                f"{names[node]} of the Ray cluster cannot run this project: {cause}\n"
                "Fix: install this project's dependencies there, or executor=local"
            ) from error
        if differ := other_versions(found):
            raise InputError(
                f"{names[node]} of the Ray cluster has other versions: {differ}.\n"
                "Fix: the same versions there (constraints.txt), or executor=local"
            )
