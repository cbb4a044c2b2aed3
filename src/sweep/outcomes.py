"""From trained members, or a run that went alone, to the part that is stored."""

import io
import shlex
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from rich.console import Console
from torch import Tensor

from src.build import build
from src.complete import is_table
from src.data.normalise import Normaliser
from src.data.task import task_of
from src.engines.cohort import Interrupted, Trained
from src.evaluate import regression_metrics
from src.fit import analyse, conclude
from src.overrides import key_of
from src.result import digest
from src.sweep.expand import Job
from src.sweep.members import Started
from src.sweep.packed import Part
from src.sweep.sink import Sink
from src.sweep.tables import curves_table

Row = dict[str, Any]


def quiet() -> Console:
    """A console that nobody reads."""
    return Console(file=io.StringIO(), force_jupyter=False)  # else Jupyter would show it


def part_name(jobs: Sequence[Job], sink: Sink) -> str:
    """The name of a part of these jobs."""
    ids = [job.identity for job in jobs]
    return name_of(map(sink.number, ids), ids)


def name_of(numbers: Iterable[int], ids: Collection[str]) -> str:
    """Unique, and readable: the first job's number, how many, a hash of which."""
    return f"{min(numbers):07d}_{len(ids)}_{digest(sorted(ids))[:8]}"


def _row(job: Job, sink: Sink, **more: Any) -> Row:
    run_id = job.identity
    overrides = shlex.join(job.own_overrides)  # to be typed again as they stand
    return {"run_id": run_id, "job": sink.number(run_id), "overrides": overrides} | more


def _ended(
    job: Job, sink: Sink, diverged: bool, steps: int, epochs: int, kept: int | None, **more: Any
) -> Row:
    """The row of a run that was trained."""
    return _row(
        job, sink, status="diverged" if diverged else "completed", steps=steps, epochs=epochs,
        diverged_step=steps if diverged else None, kept_step=kept, **more,
    )  # fmt: skip


def failed_part(jobs: Sequence[Job], sink: Sink) -> Part:
    """Rows of runs that could not be: their message, and the swept values as given."""
    rows = [_row(job, sink, status="failed", message=job.error) for job in jobs]
    return Part(rows, {job.identity: ({}, given_values(job)) for job in jobs})


def given_values(job: Job) -> dict[str, Any]:
    """A job's overrides as keys and values, for one that has no settings."""
    found: dict[str, Any] = {}
    for override in job.own_overrides:
        key, text = key_of(override), override.partition("=")[2]
        try:
            found[key] = OverridesParser.create().parse_override(override).value()
        except HydraException:
            found[key] = text  # the grammar is what failed
    return found


def cohort_part(
    jobs: Sequence[Job], started: Started, trained: Trained, sink: Sink, engine: str
) -> Part:
    """The part of jobs that were trained together, in the order of the members."""
    best, best_metrics = _best(trained)
    rows = []
    seconds = trained.seconds / max(len(jobs), 1)
    for i, job in enumerate(jobs):
        metrics = {name: values[i].item() for name, values in trained.metrics.items()}
        metrics |= {f"best/{name}": float(values[i]) for name, values in best_metrics.items()}
        kept = int(trained.kept[i])
        row = _ended(
            job, sink, bool(trained.diverged[i]), int(trained.steps[i]), int(trained.epochs[i]),
            None if kept < 0 else kept, **metrics, best_step=int(best[i]), engine=engine,
            seconds=seconds,
        )  # fmt: skip
        rows.append(row)
    _add_regression(rows, jobs, started)
    _analyse(rows, jobs, trained)
    ids = [job.run_id for job in jobs]
    return Part(
        rows,
        {job.run_id: (job.settings(), job.choices) for job in jobs},
        curves_table(ids, trained),
        dict(trained.parameters) | _normalisers(started.input, started.target),
        trained.paused,
    )


def _add_regression(rows: Sequence[Row], jobs: Sequence[Job], started: Started) -> None:
    """R² and RMSE, as a single run on a table has them."""
    settings = jobs[0].settings()  # the members of a cohort share their table and their loss
    learns_numbers = task_of(settings["loss"]["_target_"]) == "regression"
    if started.cohort is None or not learns_numbers or not is_table(settings["data"]):
        return
    for i, row in enumerate(rows):
        targets = {name: split.target[i] for name, split in started.cohort.splits.items()}
        row |= regression_metrics(row, targets, started.target[i])


def _best(trained: Trained) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The logged step with the least val/loss (train/loss without one), and the metrics there."""
    names = list(trained.curves)
    which = "val/loss" if "val/loss" in names else "train/loss"
    curve = trained.curves[which].numpy()
    points = np.asarray(trained.points)
    seen = (points[:, None] <= trained.steps.numpy()[None, :]) & np.isfinite(curve)
    place = np.where(seen, curve, np.inf).argmin(axis=0)
    members = np.arange(curve.shape[1])
    return points[place], {n: v.numpy()[place, members] for n, v in trained.curves.items()}


def _analyse(rows: Sequence[Row], jobs: Sequence[Job], trained: Trained) -> None:
    """Adds the metrics of `analysis=…`, run by run."""
    for i, (row, job) in enumerate(zip(rows, jobs, strict=True)):
        settings = job.settings()
        if settings["analysis"] is None or row["status"] == "diverged":
            continue
        run = build(settings)
        run.net.load_state_dict({n: p[i] for n, p in trained.parameters.items()})
        found: dict[str, float] = {}
        analyse(run, quiet(), found)
        row |= found


def _normalisers(input: Sequence[Normaliser], target: Sequence[Normaliser]) -> dict[str, Tensor]:
    """Stacked beside the weights: raw = network units * divisor / factor + shift."""
    found = {}
    for name, several in (("input", input), ("target", target)):
        if several:
            found[f"normaliser.{name}.shift"] = torch.stack([n.shift for n in several])
            found[f"normaliser.{name}.divisor"] = torch.stack([n.divisor for n in several])
            found[f"normaliser.{name}.factor"] = torch.tensor(
                [n.factor for n in several], dtype=torch.float64
            )
    return found


def alone_part(job: Job, reason: str, sink: Sink) -> Part:
    """Train a run alone, through Lightning. Raises Interrupted, InputError."""
    from src.training import train_by_lightning  # Lightning, for which other runs need not wait

    began = time.perf_counter()
    settings = job.settings()
    run = build(settings)
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), quiet())
    if ending.status == "interrupted":
        raise Interrupted
    result, _ = conclude(run, ending, time.perf_counter() - began, quiet())
    trained = _as_trained(result.curves)
    best, best_metrics = _best(trained) if trained.curves else (None, {})
    row = _ended(
        job, sink, result.status == "diverged", result.steps, result.epochs, ending.kept,
        **result.metrics, **{f"best/{n}": float(v[0]) for n, v in best_metrics.items()},
        best_step=None if best is None else int(best[0]), engine="lightning", reason=reason,
        seconds=time.perf_counter() - began,
    )  # fmt: skip
    target = run.data.target_normaliser
    state = {n: p.detach()[None] for n, p in run.net.state_dict().items()}
    return Part(
        [row],
        {job.run_id: (settings, job.choices)},
        curves_table([job.run_id], trained),
        state | _normalisers([run.data.input_normaliser], [] if target is None else [target]),
    )


def _as_trained(curves: Mapping[str, Sequence[float]]) -> Trained:
    """One run's curves in the form of a cohort's."""
    points = [int(step) for step in curves["step"]]
    values = {
        name: torch.tensor(list(v), dtype=torch.float64)[:, None]
        for name, v in curves.items()
        if name != "step"
    }
    end = torch.tensor(points[-1:])
    none = torch.zeros(1)
    last = {name: v[-1] for name, v in values.items()}
    return Trained({}, none, end, none, none, points, values, last, {}, 0.0)
