"""`python -m MODULE ARGUMENTS` in a process that is forked from one with the libraries loaded.

Importing torch and Lightning is most of the time of a small command. Nothing of this program is
imported before the fork: each command imports, runs and ends as if it was started by itself.
"""

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("torch", "torch.fx.experimental.proxy_tensor", "torch.func", "torch.export", "llvmlite"),
    *("lightning.pytorch", "lightning.pytorch.loggers", "polars", "hydra.utils", "rich.progress"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "torch.utils.tensorboard.writer"),
)
SECONDS = 300


class Warm:
    """The process that forks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(
        self, module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> int:
        """The exit code. folder: where it runs; its output goes to `out` and `err` beside it."""
        out, err = (str(folder.parent / f"{folder.name}.{name}") for name in ("out", "err"))
        request = [module, list(arguments), str(folder), dict(environment), out, err]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def warm() -> Iterator[Warm]:
    """Started, and ended with the block."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Warm(process)


def _serve() -> None:
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()  # else each child looks through all of it, and so copies it
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(
    module: str, arguments: list[str], folder: str, environment: dict[str, str], *outputs: str
) -> None:
    signal.alarm(SECONDS)  # whatever hangs is ended
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # As at its start: this process may have been given another PYTHONPATH, or none.
    given = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [folder, *given, *(path for path in sys.path[1:] if path not in given)]
    sys.argv[1:] = arguments
    as_main: Any = runpy._run_module_as_main  # type: ignore[attr-defined]  # what python -m calls
    as_main(module)


if __name__ == "__main__":
    _serve()
