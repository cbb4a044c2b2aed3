"""A run of a sweep that has no directory of its own, from the sweep's store."""

from pathlib import Path
from typing import Any

import polars as pl
import torch

from src.build import build_start
from src.errors import InputError
from src.sweep.store import Store
from src.weights import Weights


def read_stored(directory: Path) -> tuple[dict[str, Any], Weights]:
    """The resolved config of SWEEP/JOB, and its weights. Its data are made once more for them.

    Raises InputError for a job that the sweep does not have, or that was not trained.
    """
    store, job = Store(directory.parent), int(directory.name)
    table = store.read(columns=["run_id", "job", "status", "message"])
    found = table.filter(pl.col("job") == job)
    if found.is_empty():
        last = table["job"].max()
        raise InputError(f"{store.directory} has no job {job}.\nAllowed: 0 to {last}")
    if found["status"][0] == "failed":
        message = found["message"][0]
        raise InputError(f"{directory} failed, so that nothing was trained: {message}")
    run_id = found["run_id"][0]
    config = store.configs([run_id])[run_id][0]
    ((_, parameters),) = store.parameters([run_id])
    data, net = build_start(config)
    with torch.no_grad():
        outputs = net(data.train.input[:1]).shape[1]
    return config, Weights(parameters, data.input_normaliser, data.target_normaliser, outputs)
