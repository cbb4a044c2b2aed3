"""Runs and sweeps in a notebook: the same composition, checks and engines as the commands.

from src.notebook import run, sweep
run("+experiment=sine", "seed=3")
sweep("+experiment=sine", "seed=range(100)", "optimizer=sgd,adam")
"""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from rich.console import Console
from torch import nn

from src.build import build
from src.check import refuse_used
from src.compose import compose_run
from src.engine import engine_of
from src.evaluate import predict
from src.fit import fit
from src.progress_bar import ProgressBar
from src.result import Result
from src.run import Run


@dataclass(frozen=True)
class Picture:
    """A PNG file that Jupyter shows."""

    path: Path

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class Outcome:
    """A run that is over. Jupyter shows it as its fit and its metrics.

    result: as `src.result` has it. directory: where it left its files. text: what the command
    would have printed.
    """

    result: Result
    directory: Path
    run: Run
    text: str

    @property
    def net(self) -> nn.Module:
        """The trained network: (rows, features) -> (rows, outputs), normalised units."""
        return self.run.net

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

    def predict(self, inputs: Sequence[Sequence[float]]) -> list[list[float]]:
        """Raw inputs (rows, features) to raw predictions (rows, outputs)."""
        asked = torch.tensor(inputs, dtype=self.run.data.table.input.dtype)
        return predict(self.net, self.run.data, asked).tolist()

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


@contextmanager
def _undisturbed() -> Iterator[None]:
    """torch's threads and random state as the notebook had them."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def run(*overrides: str) -> Outcome:
    """Train one run, as `python -m src.train OVERRIDES` does, and leave its directory.

    Raises InputError for what the command would refuse, before any work; nothing is written
    then. Ctrl-C (the stop button) ends it at the end of an epoch, as `interrupted`.
    """
    settings, files, directory = compose_run(*overrides)
    refuse_used(directory)
    with _undisturbed():
        built = build(settings)
        train, text = engine_of(built), io.StringIO()
        (directory / ".hydra").mkdir(parents=True)
        for name, content in files.items():
            (directory / ".hydra" / f"{name}.yaml").write_text(content)
        result = fit(built, directory, _console(text), train=train)
    return Outcome(result, directory, built, text.getvalue())


def _console(text: io.StringIO) -> Console:
    # In Jupyter rich shows what it prints, wherever it is told to print.
    return Console(file=text, width=100, force_jupyter=False)


def sweep(*overrides: str) -> pl.DataFrame:
    """Train every combination, as `python -m src.train -m OVERRIDES` does: a row for each run.

    The directory is printed; with `sweep.dir=…` the same call goes on, or adds runs, and
    `python -m src.report` shows it. Raises InputError for what the command would refuse;
    KeyboardInterrupt after the stop button, what is finished being stored.
    """
    from src.sweep.call import call
    from src.sweep.store import Store

    text = io.StringIO()
    with _undisturbed(), ProgressBar() as bar:
        try:
            called = call(overrides, _console(text), bar.show)
        except SystemExit as error:
            raise KeyboardInterrupt(
                "stopped: what is finished is stored; with sweep.dir=… the same call goes on"
            ) from error
        store = Store(called.directory)
        table = store.read()
        counts = dict(table.group_by("status").len().sort("status").iter_rows())
        said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
        bar.close(f"{len(table):,} runs: {said}. {called.directory}" if len(table) else "")
    if called.code or "sweep.dry_run=true" in overrides:
        print(text.getvalue())  # a run that failed, a verification that did, or only the plan
    return table
