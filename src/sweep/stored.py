"""Runs of a sweep that need no directory of their own, from the sweep's store."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from src.build import build, build_start
from src.complete import completed
from src.data.normalise import Normaliser
from src.errors import InputError
from src.run import Run
from src.sweep.store import Store
from src.sweep.tables import no_job
from src.weights import Weights, fill


def read_stored(directory: Path) -> tuple[dict[str, Any], Weights]:
    """The resolved config of SWEEP/JOB, and its weights.

    Raises InputError for a job that the sweep does not have, or that was not trained.
    """
    store, job = Store(directory.parent), int(directory.name)
    table = store.read(columns=["run_id", "job", "status", "message"])
    found = table.filter(pl.col("job") == job)
    if found.is_empty():
        raise no_job(table, job)
    if found["status"][0] == "failed":
        message = found["message"][0]
        raise InputError(f"{directory} failed, so that nothing was trained: {message}")
    run_id = found["run_id"][0]
    config = store.configs([run_id])[run_id][0]
    tensors = _tensors(store, run_id)
    parameters = {n: t for n, t in tensors.items() if not n.startswith("normaliser.")}
    target = _normaliser(tensors, "target")
    outputs = _outputs(config) if target is None else len(target.shift)
    input = _normaliser(tensors, "input")
    assert input is not None, "every part holds the normalisers of its inputs"
    return config, Weights(parameters, input, target, outputs, completed(config["data"]))


def trained(config: Mapping[str, Any], parameters: Mapping[str, Tensor]) -> Run:
    """A run as its training left it. Raises InputError."""
    run = build(dict(config) | {"ckpt": None})
    fill(run.net, parameters)
    run.net.eval()
    return run


def trained_runs(store: Store, run_ids: Collection[str]) -> Iterator[tuple[str, Run]]:
    """Each of these runs as its training left it, a part at a time. Raises InputError."""
    configs = store.configs(run_ids)
    for run_id, parameters in store.parameters(run_ids):
        yield run_id, trained(configs[run_id][0], parameters)


def _tensors(store: Store, run_id: str) -> dict[str, Tensor]:
    for part in filter(store.has_weights, store.parts()):
        places, tensors = store.weights(part)
        if run_id in places:
            return {name: values[places[run_id]].clone() for name, values in tensors.items()}
    raise InputError(f"{store.directory} has lost the weights of this run.\n"
                     "Fix: the sweep's command again, with this sweep.dir")  # fmt: skip


def _normaliser(tensors: dict[str, Tensor], name: str) -> Normaliser | None:
    parts = [tensors.get(f"normaliser.{name}.{key}") for key in ("shift", "factor", "divisor")]
    shift, factor, divisor = parts
    if shift is None or factor is None or divisor is None:
        return None
    return Normaliser(shift, factor.item(), divisor)


def _outputs(config: dict[str, Any]) -> int:
    """Of a network without targets, whose data are made once more to see it."""
    data, net = build_start(config)
    with torch.no_grad():
        return net(data.train.input[:1]).shape[1]
