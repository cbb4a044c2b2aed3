"""Runs that kill their worker, for tests: Python imports this file where its folder is on the path.

The file that SMALL_NETS_LETHAL names holds the seed of a run that kills the process which is about
to train it; that of SMALL_NETS_VERSIONS, versions that a process pretends to have. Without the
files nothing happens.
"""

import importlib.util
import json
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def _deadly(module: ModuleType) -> None:
    perform = module.perform_task

    def kills(task: Any, *more: Any) -> Any:
        path = Path(os.environ.get("SMALL_NETS_LETHAL", "no such file"))
        if path.exists() and path.read_text() in {str(job.settings()["seed"]) for job in task.jobs}:
            os.kill(os.getpid(), signal.SIGKILL)
        return perform(task, *more)

    module.perform_task = kills  # type: ignore[attr-defined]


def _pretends(module: ModuleType) -> None:
    path = os.environ.get("SMALL_NETS_VERSIONS", "")
    if path and Path(path).exists():
        found = json.loads(Path(path).read_text())
        module.versions = lambda: found  # type: ignore[attr-defined]


CHANGED = {"small_nets.sweep.training.worker": _deadly, "small_nets.run.outputs.result": _pretends}


class Finder:
    """Lets a module be found as usual, and changes it once it is imported."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> ModuleSpec | None:
        change = CHANGED.pop(name, None)
        spec = None if change is None else importlib.util.find_spec(name)
        if spec is None or spec.loader is None or change is None:
            return None
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
