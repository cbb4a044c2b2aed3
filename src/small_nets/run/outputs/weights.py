"""weights.safetensors: the trained parameters, the normalisers, and what predictions need."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from small_nets.config.errors import InputError
from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Prepared
from small_nets.run.outputs.tensor_files import read_sealed, seal_tensors, write_tensors
from small_nets.run.outputs.training_range import Seen, seen


@dataclass(frozen=True)
class Weights:
    """A trained net, and what its predictions need.

    parameters: name -> tensor. input, target: normalisers; target is None without a target.
    outputs: of the net. seen: the ranges of the training split. table: for a run on a table, the
    columns and classes, which a prediction needs without the table; else None.
    """

    parameters: dict[str, Tensor]
    input: Normaliser
    target: Normaliser | None
    outputs: int
    seen: Seen
    table: dict[str, Any] | None = None


def weights_of(net: nn.Module, data: Prepared, table: dict[str, Any] | None = None) -> Weights:
    """The weights of a trained net. data: what it was trained on. table: see `Weights`."""
    parameters = {name: p.detach().contiguous().cpu() for name, p in net.state_dict().items()}
    with torch.no_grad():
        outputs = net(data.train.input[:1]).shape[1]
    train = seen(data.train.input, data.train.target, data.input_normaliser)
    return Weights(parameters, data.input_normaliser, data.target_normaliser, outputs, train, table)


def save_weights(
    path: Path, net: nn.Module, data: Prepared, table: dict[str, Any] | None = None,
    sync: bool = True,
) -> None:  # fmt: skip
    """Write a net's weights: its parameters as tensors, everything else as metadata.

    table: see `Weights`. sync: see `write_whole`. Equal runs write equal bytes. Raises OSError.
    """
    found = weights_of(net, data, table)
    about = {
        "input": _to_text(found.input),
        "outputs": str(found.outputs),
        "seen": json.dumps(found.seen.to_lists()),
    }
    if found.target is not None:
        about["target"] = _to_text(found.target)
    if table is not None:
        about["table"] = json.dumps(table)
    write_tensors(path, found.parameters, seal_tensors(found.parameters, about), sync)


def _to_text(normaliser: Normaliser) -> str:
    # JSON has every float64, and so every float32, exactly.
    return json.dumps(
        {
            "shift": normaliser.shift.tolist(),
            "factor": normaliser.factor,
            "divisor": normaliser.divisor.tolist(),
        }
    )


def _from_text(text: str) -> Normaliser:
    found = json.loads(text)
    shift, divisor = (torch.tensor(found[k], dtype=torch.float64) for k in ("shift", "divisor"))
    return Normaliser(shift, float(found["factor"]), divisor)


def fill(net: nn.Module, parameters: Mapping[str, Tensor]) -> None:
    """Load parameters into a net. Raises InputError where they do not fit."""
    what = "the weights do not fit the config's network"
    try:
        net.load_state_dict(dict(parameters))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{what}: {reason}") from error
    for name, values in net.state_dict().items():
        if parameters[name].dtype != values.dtype:
            raise InputError(f"{what}: {name} is {parameters[name].dtype}, but "
                             f"{values.dtype} by the config")  # fmt: skip


def check_weights(weights: Weights, where: str) -> Weights:
    """Return weights. Raises InputError for those that no training of this program writes."""
    found = {"input": weights.input, "target": weights.target}
    for name, normaliser in found.items():
        if normaliser is None:
            continue
        sizes = {tuple(normaliser.shift.shape), tuple(normaliser.divisor.shape)}
        numbers = torch.cat([normaliser.shift.flatten(), normaliser.divisor.flatten()])
        is_whole = len(sizes) == 1 and normaliser.shift.ndim == 1 and len(normaliser.shift) > 0
        if not is_whole or not numbers.isfinite().all() or not math.isfinite(normaliser.factor):
            raise InputError(f"{where}: its normaliser of the {name} does not have one finite "
                             "number for each column")  # fmt: skip
    columns = weights.outputs if weights.target is None else len(weights.target.shift)
    if not 0 < weights.outputs == columns:
        raise InputError(f"{where}: it has {weights.outputs} outputs, but its normaliser has "
                         f"{columns}")  # fmt: skip
    seen = weights.seen
    ends = [values for values in (seen.low, seen.high, seen.mean) if values is not None]
    sizes = [values.numel() for values in ends]
    inputs = len(weights.input.shift)
    if sizes not in ([inputs, inputs], [inputs, inputs, weights.outputs]) or not all(
        values.ndim == 1 and values.isfinite().all() for values in ends
    ):
        raise InputError(f"{where}: its training range does not have one finite number for each "
                         "column")  # fmt: skip
    if weights.table is not None and not isinstance(weights.table, dict):
        raise InputError(f"{where}: its description of the table is not a mapping")
    return weights


def load_weights(path: Path) -> Weights:
    """Read and check weights. Raises InputError with the file and what is wrong with it."""
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: this is not the directory of a finished run.\n"
            "Expected: a directory below outputs/ with weights.safetensors in it"
        )
    try:
        tensors, about = read_sealed(path)
        target = _from_text(about["target"]) if "target" in about else None
        table = json.loads(about["table"]) if "table" in about else None
        train, input = Seen.of_lists(json.loads(about["seen"])), _from_text(about["input"])
        found = Weights(tensors, input, target, int(about["outputs"]), train, table)
    except (SafetensorError, KeyError, ValueError, TypeError, OSError, RecursionError) as error:
        raise InputError(
            f"{path} is not a complete weights file of this program: {error}"
        ) from error
    return check_weights(found, str(path))
