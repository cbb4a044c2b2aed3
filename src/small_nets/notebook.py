"""Runs and sweeps in a notebook: the same composition, checks and engines as the commands.

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
    """A run that is over, trained just now or loaded. Jupyter shows it as its fit and its metrics.

    stored: what it left. net: the trained network between raw units, in eval mode: (rows,
    features) -> (rows, outputs), both float64; net.net is the part between normalised units.
    text: what the command would have printed; "" of one that was loaded.
    """

    stored: StoredRun
    net: RawNet
    text: str = ""

    @property
    def directory(self) -> Path:
        """Where it left its files; a run of a large sweep has none of its own."""
        return self.stored.directory

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config that it was trained with, without what is a sweep's alone."""
        return {k: v for k, v in self.stored.config.items() if k not in SWEEP_ONLY}

    @property
    def result(self) -> Result:
        """As `small_nets.run.outputs.result` has it. Raises InputError where it is damaged.

        From a sweep's tables it has no baseline, predictions and parameters.
        """
        return self.stored.result

    @property
    def metrics(self) -> dict[str, float]:
        """Final values by name; losses are in normalised units."""
        return self.result.metrics

    @property
    def curves(self) -> pl.DataFrame:
        """A row for each logged point: step, and each metric."""
        return pl.DataFrame(self.result.curves)

    @property
    def predictions(self) -> pl.DataFrame:
        """Input, prediction and target (null where unknown) of each row, raw units."""
        return pl.DataFrame(self.result.predictions)

    @property
    def figures(self) -> dict[str, Picture]:
        """The pictures of the run by name: fit, loss, and more with pictures=all."""
        return {path.stem: Picture(path) for path in sorted(self.directory.glob("*.png"))}

    def predict(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        """Raw inputs (rows, features) to raw predictions (rows, outputs).

        Raises InputError for a row beyond the numbers that the network computes in.
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
    """Train one run, as `python -m src.train OVERRIDES` does, and leave its directory.

    Raises InputError for what the command would refuse, before any work; nothing is written
    then. Ctrl-C (the stop button) ends it at the end of an epoch, as `interrupted`.
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
    """A run that was trained before: its directory, or SWEEP/JOB, by the number in the table.

    Nothing is trained, and nothing but numbers and settings is taken from there. Raises InputError
    where it is no run, or was changed.
    """
    with undisturbed():
        stored = read_run(Path(path))
        return Outcome(stored, stored.net)


def _console(text: io.StringIO) -> Console:
    # In Jupyter rich shows what it prints, wherever it is told to print.
    return PlainConsole(file=text, width=100, force_jupyter=False)


def sweep(*overrides: str) -> pl.DataFrame:
    """Train every combination, as `python -m src.train -m OVERRIDES` does: a row for each run.

    The directory is printed; with `sweep.dir=…` the same call goes on, or adds runs, and
    `python -m src.report` shows it. Raises InputError for what the command would refuse;
    KeyboardInterrupt after the stop button, what is finished being stored.
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
        print(text.getvalue())  # a run that failed, a verification that did, or only the plan
    return table
