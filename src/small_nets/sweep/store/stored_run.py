"""Reads single runs from a sweep's store, also those without a directory of their own."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from small_nets.config.errors import InputError
from small_nets.config.stored_config import check_stored
from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Prepared
from small_nets.data.table_settings import completed
from small_nets.run.build.build import build_start
from small_nets.run.outputs.result import Result
from small_nets.run.outputs.stored_run import StoredRun, trained
from small_nets.run.outputs.training_range import Seen
from small_nets.run.outputs.weights import Weights, check_weights
from small_nets.run.spec import Run
from small_nets.sweep.store.columns import metric_columns, no_job
from small_nets.sweep.store.store import Store


def read_stored(directory: Path) -> StoredRun:
    """Read the run SWEEP/JOB from the sweep's store.

    Raises InputError for a job that the sweep does not have, that failed, or that is broken.
    """
    store = Store(directory.parent)
    try:
        return _read(store, directory)
    except InputError as error:
        raise InputError("\n".join([str(error), *store.lost()])) from error


def _read(store: Store, directory: Path) -> StoredRun:
    job = int(directory.name)
    table = store.read(columns=["run_id", "job", "status", "message"])
    found = table.filter(pl.col("job") == job)
    if found.is_empty():
        raise no_job(table, job)
    if found["status"][0] == "failed":
        message = found["message"][0]
        raise InputError(f"{directory} failed, so that nothing was trained: {message}")
    run_id = found["run_id"][0]
    config = checked_config(store, run_id)
    part, tensors = _tensors(store, run_id)
    parameters = {n: t for n, t in tensors.items() if not n.startswith("normaliser.")}
    target = _normaliser(tensors, "target")
    outputs = _outputs(config) if target is None else len(target.shift)
    input = _normaliser(tensors, "input")
    if input is None:
        raise InputError(f"{directory} has weights without the normaliser of its inputs")
    low, high, mean = (tensors.get(f"normaliser.seen.{name}") for name in ("low", "high", "mean"))
    if low is None or high is None:
        raise InputError(f"{directory} has weights without the range of their inputs")
    seen, about = Seen(low, high, mean), completed(config["data"])
    weights = Weights(parameters, input, target, outputs, seen, about)
    tell = partial(_result, store, part, run_id, config)
    return StoredRun(directory, config, check_weights(weights, str(directory)), tell)


def data_of(store: Store, run_id: str) -> tuple[dict[str, Any], Prepared]:
    """The config of a run and its rows. Raises InputError where its table is gone, or changed."""
    config = checked_config(store, run_id)
    return config, build_start(config)[0]


def stopped_early(row: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether early stopping ended a run. row: of the runs table, which has no column for it.

    Nothing else completes a run before its last epoch.
    """
    return row["status"] == "completed" and row["epochs"] < config["trainer"]["max_epochs"]


def _result(store: Store, part: str, run_id: str, config: dict[str, Any]) -> Result:
    """The result of a run in a part. Raises InputError where its rows or curves are lost.

    Baseline, predictions and parameters are empty: only a run's directory has them.
    """
    mine = pl.col("run_id") == run_id
    table, curves = store.checked.rows(part), store.checked.curves(part, ids=[run_id])
    if table is None or curves is None:
        said = [f"{store.directory} has lost the end of run {run_id}, or its curves", *store.lost()]
        raise InputError("\n".join(said))
    row = table.row(by_predicate=mine, named=True)
    names = [n for n in metric_columns(row, store.swept) if not n.startswith("best/")]
    drawn = [c for c in curves.columns if c != "run_id" and curves[c].is_not_null().any()]
    return Result(
        experiment=config["name"], seed=config["seed"], status=row["status"],
        epochs=row["epochs"], steps=row["steps"], kept=row["kept_step"],
        stopped_early=stopped_early(row, config),
        metrics={name: row[name] for name in names if row[name] is not None},
        baseline={}, predictions=[], parameters={},
        curves=curves.sort("step").select(drawn).to_dict(as_series=False),
        config=config, run_id=run_id,
        seconds={"total": row["seconds"]}, versions={}, git=None,
    )  # fmt: skip


def trained_runs(store: Store, run_ids: Collection[str]) -> Iterator[tuple[str, Run]]:
    """Yield (run_id, trained run) of these runs, a part at a time. Raises InputError."""
    configs = store.configs(list(run_ids))  # once: each look reads the configs of all runs
    for run_id, parameters in store.parameters(run_ids):
        yield run_id, trained(checked_of(store, configs, run_id), parameters)


def checked_config(store: Store, run_id: str) -> dict[str, Any]:
    """A run's resolved config, checked as one that is typed. Raises InputError."""
    return checked_of(store, store.configs([run_id]), run_id)


def checked_of(store: Store, found: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The same, of configs that `store.configs` has read for several runs."""
    if run_id not in found:
        raise InputError(f"{store.directory} has lost the config of run {run_id}.\n"
                         "Fix: the sweep's command again, with this sweep.dir")  # fmt: skip
    return check_stored(found[run_id][0], f"the config of run {run_id} in {store.directory}")


def _tensors(store: Store, run_id: str) -> tuple[str, dict[str, Tensor]]:
    """The part that holds a run, and name -> the run's tensors. Raises InputError."""
    for part in filter(store.has_weights, store.parts()):
        places, tensors = store.weights(part)
        if run_id in places:
            place = places[run_id]
            return part, {name: values[place].clone() for name, values in tensors.items()}
    raise no_weights(store)


def no_weights(store: Store) -> InputError:
    """The error for a trained run whose weights are missing or broken."""
    return InputError(f"{store.directory} has lost the weights of this run.\n"
                      "Fix: the sweep's command again, with this sweep.dir")  # fmt: skip


def _normaliser(tensors: dict[str, Tensor], name: str) -> Normaliser | None:
    parts = [tensors.get(f"normaliser.{name}.{key}") for key in ("shift", "factor", "divisor")]
    shift, factor, divisor = parts
    if shift is None or factor is None or divisor is None:
        return None
    if factor.numel() != 1:
        raise InputError(f"the normaliser of the {name} has {factor.numel()} factors, not one")
    return Normaliser(shift, factor.item(), divisor)


def _outputs(config: dict[str, Any]) -> int:
    """The number of outputs of a network without targets. Its data are prepared to see it."""
    data, net = build_start(config)
    with torch.no_grad():
        return net(data.train.input[:1]).shape[1]
