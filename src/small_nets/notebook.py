"""Runs and sweeps in a notebook, with the config, checks and engines of the commands.

from small_nets.notebook import load, run, sweep
run("+experiment=sine", "seed=3")
sweep("+experiment=sine", "seed=range(100)", "optimizer=sgd,adam")
load("outputs/sine/RUN"), load("outputs/sine/SWEEP/37")
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.console import Console

from small_nets.commands.predict import read_run
from small_nets.commands.surroundings import default_warnings, undisturbed
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.data.table_settings import completed
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_run
from small_nets.run.build.preflight import Claim
from small_nets.run.fit import fit
from small_nets.run.outputs.raw_net import RawNet
from small_nets.run.outputs.result import Result
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.run.outputs.weights import weights_of
from small_nets.run.terminal.progress_bar import ProgressBar
from small_nets.run.terminal.tables import PlainConsole
from small_nets.sweep.cohorts.single_run import engine_of


@dataclass(frozen=True)
class Picture:
    """A PNG file that Jupyter shows."""

    path: Path

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class Outcome:
    """A finished run, trained just now or loaded. Jupyter shows its fit and its metrics.

    stored: its files, read. net: the trained network from raw inputs (rows, features) to raw
    predictions (rows, outputs), float64, in eval mode; net.net is the part between normalised
    units. text: what the command would have printed; "" for a loaded run.
    """

    stored: StoredRun
    net: RawNet
    text: str = ""

    @property
    def directory(self) -> Path:
        """The run's directory. A run of a large sweep may not have one."""
        return self.stored.directory

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the run, without the sections of a sweep."""
        return {k: v for k, v in self.stored.config.items() if k not in SWEEP_ONLY}

    @property
    def result(self) -> Result:
        """The run's `Result`. Raises InputError where it is damaged.

        A run that was read from a sweep's tables has no baseline, predictions and parameters.
        """
        return self.stored.result

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> final value. Losses are in normalised units."""
        return self.result.metrics

    @property
    def curves(self) -> pl.DataFrame:
        """A table with a row for each logged point: step, and each metric."""
        return pl.DataFrame(self.result.curves)

    @property
    def predictions(self) -> pl.DataFrame:
        """A table of inputs, predictions and targets (null if unknown), in raw units."""
        return pl.DataFrame(self.result.predictions)

    @property
    def figures(self) -> dict[str, Picture]:
        """Name -> picture: fit, loss, and more with pictures=all."""
        return {path.stem: Picture(path) for path in sorted(self.directory.glob("*.png"))}

    def predict(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        """Raw predictions (rows, outputs) for raw inputs (rows, features).

        Raises InputError for a row with numbers beyond the network's precision.
        """
        with undisturbed():
            return self.stored.predict(torch.tensor(rows, dtype=torch.float64)).tolist()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items())
        return f"{self.result.experiment}, seed {self.result.seed}: {self.result.status}, {shown}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{value:.6g}</td>"
            f"<td>{_optional(self.result.baseline.get(name))}</td></tr>"
            for name, value in self.metrics.items()
        )
        head = "<tr><th>metric</th><th>value</th><th>constant predictor</th></tr>"
        title = f"{self.result.experiment}, seed {self.result.seed}: {self.result.status}"
        fit = self.figures.get("fit")
        image = "" if fit is None else _image(fit, f"The fit of {title}")
        place = html.escape(str(self.directory))
        return (
            f"<div><strong>{html.escape(title)}</strong>{image}"
            f"<table>{head}{rows}</table><p>{place}</p></div>"
        )


def _optional(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _image(picture: Picture, text: str) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    return f'<br><img src="data:image/png;base64,{data}" alt="{html.escape(text)}">'


def run(*overrides: str) -> Outcome:
    """Train one run, as `python -m src.train OVERRIDES` does, and write its directory.

    Raises InputError for what the command would refuse. Nothing is written then. Ctrl-C (the stop
    button) stops the run at the end of an epoch, with the status `interrupted`.
    """
    with undisturbed(), default_warnings():
        settings, files, directory = compose_run(*overrides)
        claim = Claim(directory)
        try:
            built = build(settings)
            train, text = engine_of(built), io.StringIO()
            claim.has_begun = True
            (directory / ".hydra").mkdir()
            for name, content in files.items():
                (directory / ".hydra" / f"{name}.yaml").write_text(content, encoding="utf-8")
            result = fit(built, directory, _console(text), train=train)
        finally:
            claim.leave()
        weights = weights_of(built.net, built.data, completed(settings["data"]))
        stored = StoredRun(directory, settings, weights, lambda: result)
        return Outcome(stored, stored.net, text.getvalue())


def load(path: str | Path) -> Outcome:
    """Load a run that was trained before. path: its directory, or SWEEP/JOB with a job's number.

    Only numbers and texts are read; nothing that lies there is executed. Raises InputError where
    it is not a run, or was changed.
    """
    with undisturbed():
        stored = read_run(Path(path))
        return Outcome(stored, stored.net)


def _console(text: io.StringIO) -> Console:
    # Without force_jupyter=False, rich would show its output in Jupyter, whatever the file.
    return PlainConsole(file=text, width=100, force_jupyter=False)


def sweep(*overrides: str) -> pl.DataFrame:
    """Train every combination, as `python -m src.train -m OVERRIDES` does.

    Returns a table with a row for each run, and prints the directory. With `sweep.dir=…` the same
    call goes on, or adds runs. `python -m src.report` shows the sweep. Raises InputError for what
    the command would refuse, and KeyboardInterrupt after the stop button: what was finished is
    stored.
    """
    from small_nets.commands.python_api import call
    from small_nets.sweep.store.store import Store

    text = io.StringIO()
    with default_warnings(), ProgressBar() as bar:
        try:
            called = call(overrides, _console(text), bar.show)
        except SystemExit as error:
            raise KeyboardInterrupt(
                "stopped: what is finished is stored; with sweep.dir=… the same call goes on"
            ) from error
        for line in called.said:
            print(line)
        store = Store(called.directory)
        table = store.read()
        counts = dict(table.group_by("status").len().sort("status").iter_rows())
        said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
        bar.close(f"{len(table):,} runs: {said}. {called.directory}" if len(table) else "")
    if called.code or "sweep.dry_run=true" in overrides:
        print(text.getvalue())  # what failed, or the plan of a dry run
    return table
