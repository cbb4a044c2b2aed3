"""Which executor a sweep asks for, found and asked before any work."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from src.errors import InputError
from src.sweep.executors.protocol import Cluster
from src.values import check_value

PACKAGES = {"ray": "ray", "slurm": "submitit"}


def find_cluster(section: Mapping[str, Any], sweep: Mapping[str, Any]) -> Cluster | None:
    """The cluster of an `executor` section; None for this machine.

    sweep: the settings below `sweep`. Raises InputError where the extra is not installed, or
    nothing answers.
    """
    kind = section["kind"]
    for key, value in section.items():
        check_value(f"executor.{key}", value)
    if kind == "local":
        return None
    if find_spec(PACKAGES[kind]) is None:
        raise InputError(
            f"executor={kind} needs the package {PACKAGES[kind]}, which is not installed.\n"
            f"Fix: pip install -c constraints.txt '.[{kind}]'"
        )
    if kind == "ray":
        from src.sweep.executors.on_ray import RayCluster

        return RayCluster(section, sweep)
    from src.sweep.executors.on_slurm import SlurmCluster

    return SlurmCluster(section, sweep)
