"""What the tests share: runs from overrides, in a folder of their own."""

import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import settings
from rich.console import Console

from small_nets.commands.python_api import call
from small_nets.config import conf_files, defaults_lists
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.fit import fit
from small_nets.run.lightning.train import train_by_lightning
from small_nets.run.outputs.result import Ending, Result
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.run.prediction.request import answers, question
from small_nets.run.spec import Run
from small_nets.sweep.cohorts.single_run import engine_of
from small_nets.sweep.store.store import Store
from tests.warm import Warm, warm

# Experiments that train.
TRAINED = [
    name for name in conf_files.experiments()
    if defaults_lists.experiment(name).get("trainer", {}).get("max_epochs", 1) > 0
]  # fmt: skip
ROOT = Path(__file__).parent.parent
torch.set_num_threads(1)
# A busy machine is no fault of the code.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


@dataclass
class Finished:
    """A run that was executed: its parts, its result, its directory and what it printed."""

    run: Run
    result: Result
    directory: Path
    text: str

    def json(self) -> dict[str, Any]:
        return json.loads((self.directory / "result.json").read_text())


@pytest.hookimpl(tryfirst=True)  # before those that -m leaves out are taken away
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is marked every(n), one case in n is of the default run."""
    seen: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("every")
        if marker is not None:
            name = item.nodeid.split("[")[0]
            if seen[name] % marker.args[0]:
                item.add_marker("more")
            seen[name] += 1


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of the same proportions with a sixth of the pixels: they are most of the time."""
    monkeypatch.setattr("small_nets.run.figures.figure.DPI", 40)


def quiet() -> Console:
    """A console that nobody reads."""
    return Console(file=io.StringIO(), width=160, markup=False)


def predicted(stored: StoredRun, inputs: str | None) -> list[dict[str, Any]]:
    """What the predict command answers to these --inputs; None: to the validation rows."""
    asked = question(stored, inputs)
    return answers(asked, stored.predict(asked.rows))


@pytest.fixture
def finish(tmp_path: Path) -> Callable[..., Finished]:
    """Executes a run of some overrides, without TensorBoard and pictures unless they ask for it.

    Drawing takes longer than training.
    """
    count = 0

    def finish(*overrides: str) -> Finished:
        nonlocal count
        count += 1
        directory = tmp_path / f"run{count}"
        directory.mkdir()
        given = {override.split("=")[0] for override in overrides}
        left_out = () if "logger" in given else ("logger=none",)
        left_out += () if given & {"logger", "pictures"} else ("pictures=none",)
        run = build(composed(*overrides, *left_out))
        text = io.StringIO()
        console = Console(file=text, width=160, markup=False)
        result = fit(run, directory, console, train=engine_of(run))
        return Finished(run, result, directory, text.getvalue())

    return finish


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    return compose_settings(*overrides)[0]


def composed(*overrides: str) -> dict[str, Any]:
    """The settings of these overrides, a copy of its own. Hydra takes longer than most trainings.

    Not where files or the environment are what is tested.
    """
    return deepcopy(_composed(overrides))


def plain_run(config: dict[str, Any]) -> tuple[Ending, dict[str, torch.Tensor]]:
    """A single Lightning run of a config: how it ended, and its final parameters.

    Each config is trained once, and not again for each engine that is compared with it.
    """
    return _plain_run(json.dumps(config))


@lru_cache(500)
def _plain_run(config: str) -> tuple[Ending, dict[str, torch.Tensor]]:
    run = build(json.loads(config))
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), Console(file=io.StringIO()))
    return ending, {name: p.detach() for name, p in run.net.named_parameters()}


@dataclass
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass
class Swept:
    """A sweep that was launched in this process: what it printed, returned, and its exit code."""

    store: Store
    text: str
    losses: list[float]
    code: int

    @property
    def table(self) -> pl.DataFrame:
        return self.store.read()


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Swept]:
    """Launches a sweep as `-m` does, through Hydra's loader and our launcher.

    Without pictures unless they are asked for: drawing takes longer than training.
    """

    def sweep(*overrides: str, to: str = "sweep", size: int | None = None) -> Swept:
        text = io.StringIO()
        console = Console(file=text, width=160, markup=False)
        losses, code = [], 0
        try:
            is_told = any(override.startswith("pictures=") for override in overrides)
            more = () if is_told else ("pictures=none",)
            found = call([f"sweep.dir={tmp_path / to}", *overrides, *more], console, size=size)
            losses, code = found.losses, found.code
        except SystemExit as error:
            code = int(error.code or 0)
        return Swept(Store(tmp_path / to), text.getvalue(), losses, code)

    return sweep


@pytest.fixture(scope="session")
def forks() -> Iterator[Warm]:
    """The process that commands are forked from."""
    with warm() as found:
        yield found


@pytest.fixture
def command(tmp_path: Path, forks: Warm) -> Callable[..., Answer]:
    """Runs `python -m MODULE ARGUMENTS` in an empty folder, in a process of its own."""

    def command(module: str, *arguments: str, **environment: str) -> Answer:
        told = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        code = forks.run(module, arguments, tmp_path, told)
        out, err = (tmp_path.with_name(f"{tmp_path.name}.{name}") for name in ("out", "err"))
        return Answer(code, out.read_text(), err.read_text())

    return command
