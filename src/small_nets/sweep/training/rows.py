"""Makes the part that is stored, from trained members or from a run that went alone."""

import io
import math
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from torch import Tensor
from torch.func import functional_call

from small_nets.config.components import is_table, loss_of_config
from small_nets.config.override_values import given_values
from small_nets.data.normalisation import Normaliser
from small_nets.engines.cohort import Cohort, Interrupted, Trained
from small_nets.engines.sharpness import RELATIVE
from small_nets.nn.early_stopping import losses_in
from small_nets.nn.losses import mse, mse_by_hand
from small_nets.run.build.build import build, labels_of
from small_nets.run.evaluate import regression_metrics, squared_errors
from small_nets.run.outputs.training_range import stacked
from small_nets.run.result_contents import analyse, conclude
from small_nets.sweep.cohorts.start import Started
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.store.columns import Config, curves_table
from small_nets.sweep.store.part import Part
from small_nets.sweep.training.sink import Sink
from small_nets.sweep.training.tested import test_metrics
from small_nets.system.signals import at_end

Row = dict[str, Any]
MEAN_SQUARES = (mse, mse_by_hand)  # losses that are the mean squared error


def quiet() -> Console:
    """A console that shows nothing, in a notebook neither."""
    return Console(file=io.StringIO(), force_jupyter=False)


def _row(job: Job, sink: Sink, **more: Any) -> Row:
    run_id = job.identity
    overrides = shlex.join(job.own_overrides)  # can be typed again as they stand
    return {"run_id": run_id, "job": sink.number(run_id), "overrides": overrides} | more


def _ended(
    job: Job, sink: Sink, diverged: bool, steps: int, epochs: int, kept: int | None, **more: Any
) -> Row:
    """The row of a run that was trained."""
    return _row(
        job, sink, status="diverged" if diverged else "completed", steps=steps, epochs=epochs,
        diverged_step=steps if diverged else None, kept_step=kept, **more,
    )  # fmt: skip


def keep_failed(jobs: Sequence[Job], sink: Sink) -> None:
    """Keep rows of runs that failed: the message, and the config.

    A run that Hydra could not compose has the values of its overrides in place of a config.
    """
    rows = [_row(job, sink, status="failed", message=job.error) for job in jobs]
    settings: dict[str, tuple[Config, Config]] = {
        job.identity: ({}, given_values(job.own_overrides)) if job.family is None
        else (job.settings(), job.choices) for job in jobs
    }  # fmt: skip
    sink.append(Part(rows, settings))


def cohort_part(
    jobs: Sequence[Job], started: Started, trained: Trained, sink: Sink, engine: str
) -> Part:
    """The part of jobs that were trained together. jobs: in the order of the members."""
    cohort = started.cohort
    assert cohort is not None, "what was trained was a cohort"
    best, best_metrics = _best(trained)
    constant = _constant(cohort)
    final = trained.metrics | test_metrics(cohort, trained, started.test)
    configs = {job.run_id: (job.settings(), job.choices) for job in jobs}
    rows = []
    for i, job in enumerate(jobs):
        metrics = {name: values[i].item() for name, values in final.items()}
        if math.isnan(metrics.get(RELATIVE, 0.0)):
            del metrics[RELATIVE]  # no formula gives a bound for this member
        metrics |= {f"best/{name}": float(values[i]) for name, values in best_metrics.items()}
        kept = int(trained.kept[i])
        row = _ended(
            job, sink, bool(trained.diverged[i]), int(trained.steps[i]), int(trained.epochs[i]),
            None if kept < 0 else kept, **metrics, best_step=int(best[i]), engine=engine,
            constant=constant[i], seconds=trained.seconds / len(jobs),
        )  # fmt: skip
        settings, _ = configs[job.run_id]
        row |= _regression(i, row, settings, started, trained)
        row |= _analysis(i, row, settings, trained)
        rows.append(row)
    return Part(
        rows,
        configs,
        curves_table(list(configs), trained),
        trained.parameters
        | _normalisers(started.input, started.target, cohort.train.input,
                       cohort.targets(cohort.train)),
        trained.paused,
    )  # fmt: skip


def _constant(cohort: Cohort) -> list[float]:
    """Each member's loss of the constant predictor, on the split that judges the member."""
    judge = cohort.validate or cohort.train
    train, targets = cohort.targets(cohort.train), cohort.targets(judge)
    constants = [cohort.loss.best_constant(rows) for rows in train]
    return [
        cohort.loss(constant.expand_as(rows), rows).item()
        for constant, rows in zip(constants, targets, strict=True)
    ]


def _regression(i: int, row: Row, settings: Config, started: Started, trained: Trained) -> Row:
    """R² and RMSE of member i, as a single run has them; empty without a table of numbers."""
    cohort, test = started.cohort, started.test
    assert cohort is not None, "what was trained was a cohort"
    if loss_of_config(settings).task != "regression" or not is_table(settings["data"]):
        return {}
    found: Row = {}
    outputs = cohort.train.target.shape[2]
    names = labels_of(settings["data"]).of_targets(outputs) if outputs > 1 else [""]
    for prefix, split in (cohort.splits | ({} if test is None else {"test": test})).items():
        input, wanted = split.input[i].cpu(), split.target[i].cpu()
        if outputs == 1 and cohort.loss in MEAN_SQUARES:
            errors = [row[f"{prefix}/loss"]]  # saves a forward pass, as long as a small run
        else:
            with torch.no_grad():
                prediction = functional_call(cohort.net, _member(i, trained), (input,))
            errors = squared_errors(prediction, wanted)
        scores = regression_metrics(errors, wanted, started.target[i], names)
        found |= {f"{prefix}/{name}": value for name, value in scores.items()}
    return found


def _analysis(i: int, row: Row, settings: Config, trained: Trained) -> Row:
    """The metrics of `analysis=…` for member i."""
    found: dict[str, float] = {}
    is_lost = row["status"] == "diverged" and row["kept_step"] is None
    if settings["analysis"] not in (None, "sharpness") and not is_lost:
        run = build(dict(settings))
        run.net.load_state_dict(_member(i, trained))
        analyse(run, quiet(), found)
    return found


def _member(i: int, trained: Trained) -> dict[str, Tensor]:
    return {name: values[i] for name, values in trained.parameters.items()}


def _best(trained: Trained) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The logged step of each member with its least loss, (members,), and the metrics there.

    The loss is val/loss, or train/loss where no rows are held out.
    """
    curve = trained.curves[losses_in(trained.curves)[0]].numpy()
    points = np.asarray(trained.points)
    seen = (points[:, None] <= trained.steps.numpy()[None, :]) & np.isfinite(curve)
    place = np.where(seen, curve, np.inf).argmin(axis=0)
    members = np.arange(curve.shape[1])
    return points[place], {n: v.numpy()[place, members] for n, v in trained.curves.items()}


def _normalisers(
    input: Sequence[Normaliser], target: Sequence[Normaliser], rows: Tensor, targets: Tensor | None
) -> dict[str, Tensor]:
    """The members' normalisers, stacked: raw = network units * divisor / factor + shift.

    Also the range of each member's training split. rows, targets: of that split, (members, rows,
    …), in network units.
    """
    found = {f"normaliser.seen.{name}": v for name, v in stacked(rows, targets, input).items()}
    for name, several in (("input", input), ("target", target)):
        if several:
            found[f"normaliser.{name}.shift"] = torch.stack([n.shift for n in several])
            found[f"normaliser.{name}.divisor"] = torch.stack([n.divisor for n in several])
            factors = [n.factor for n in several]
            found[f"normaliser.{name}.factor"] = torch.tensor(factors, dtype=torch.float64)
    return found


def alone_part(job: Job, reason: str, sink: Sink) -> Part:
    """Train a run alone through Lightning. Raises Interrupted, InputError."""
    from small_nets.run.lightning.train import (
        train_by_lightning,  # imported only here: other runs need not wait for Lightning
    )

    began = time.perf_counter()
    settings = job.settings()
    run = build(settings)
    with tempfile.TemporaryDirectory() as folder, at_end(partial(shutil.rmtree, folder)):
        ending = train_by_lightning(run, None, Path(folder), quiet())
    if ending.status == "interrupted":
        raise Interrupted
    result, _ = conclude(run, ending, time.perf_counter() - began, quiet())
    best = None
    if known := losses_in(result.curves):
        loss = np.asarray(result.curves[known[0]])
        best = int(np.where(np.isfinite(loss), loss, np.inf).argmin())
    metrics = {n: v for n, v in result.curves.items() if n != "step"}
    curves = {n: pl.Series(v, dtype=pl.Float64) for n, v in metrics.items()}
    at_best = {} if best is None else {f"best/{n}": v[best] for n, v in metrics.items()}
    row = _ended(
        job, sink, result.status == "diverged", result.steps, result.epochs, ending.kept,
        **result.metrics, **at_best, constant=result.baseline.get(known[0]) if known else None,
        best_step=None if best is None else int(result.curves["step"][best]), engine="lightning",
        reason=reason, seconds=time.perf_counter() - began,
    )  # fmt: skip
    points = [int(step) for step in result.curves["step"]]
    target, train = run.data.target_normaliser, run.data.train
    return Part(
        [row],
        {job.run_id: (settings, job.choices)},
        pl.DataFrame({"run_id": [job.run_id] * len(points), "step": points, **curves}),
        {n: p.detach()[None] for n, p in run.net.state_dict().items()}
        | _normalisers(
            [run.data.input_normaliser], [] if target is None else [target],
            train.input[None], None if train.target is None else train.target[None],
        ),
    )  # fmt: skip
