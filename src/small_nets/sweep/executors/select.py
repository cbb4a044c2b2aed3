"""Finds the executor that a sweep asks for, and connects to it before any work."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from small_nets.config.errors import InputError
from small_nets.config.schema import check_value
from small_nets.sweep.executors.protocol import Cluster
from small_nets.system.command_names import install_command

PACKAGES = {"ray": "ray", "slurm": "submitit"}


def find_cluster(section: Mapping[str, Any], sweep: Mapping[str, Any]) -> Cluster | None:
    """The cluster of an `executor` section; None for this machine.

    section, sweep: the values of the config's sections `executor` and `sweep`. Raises InputError
    where a value is not allowed, the extra is not installed, or the cluster does not answer.
    """
    kind = section["kind"]
    for key, value in section.items():
        check_value(f"executor.{key}", value)
    if kind == "local":
        return None
    # A task that asks for no GPU sees none, even on a node with GPUs. A GPU that a task asks for
    # and does not use stays idle.
    gpus, device = section["gpus"], sweep["device"]
    if device == "cuda" and gpus == 0:
        raise InputError("sweep.device=cuda, but executor.gpus=0: the tasks would have no GPU.\n"
                         "Fix: executor.gpus=1")  # fmt: skip
    if device == "cpu" and gpus > 0:
        raise InputError(f"executor.gpus={gpus:g}, but sweep.device=cpu: no task would use them.\n"
                         "Fix: sweep.device=cuda, or executor.gpus=0")  # fmt: skip
    if find_spec(PACKAGES[kind]) is None:
        raise InputError(
            f"executor={kind} needs the package {PACKAGES[kind]}, which is not installed.\n"
            f"Fix: {install_command(kind)}"
        )
    if kind == "ray":
        from small_nets.sweep.executors.ray_executor import RayCluster

        return RayCluster(section, sweep)
    from small_nets.sweep.executors.slurm_executor import SlurmCluster

    return SlurmCluster(section, sweep)
