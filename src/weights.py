"""weights.safetensors: the trained parameters, and the normalisation that belongs to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from src.data.normalise import Normaliser
from src.data.prepared import Prepared
from src.errors import InputError
from src.tensors import read_tensors, write_tensors


@dataclass(frozen=True)
class Weights:
    """parameters: name -> tensor. Normalisers of input and target (None where no target).

    table: of a run on a table, what its config's data section was completed with: without the
    table, a prediction must still know its columns and its classes.
    """

    parameters: dict[str, Tensor]
    input: Normaliser
    target: Normaliser | None
    outputs: int
    table: dict[str, Any] | None = None


def save_weights(
    path: Path, net: nn.Module, data: Prepared, table: dict[str, Any] | None = None
) -> None:
    """The parameters as tensors under their names, the rest as metadata."""
    tensors = {name: p.detach().contiguous().cpu() for name, p in net.state_dict().items()}
    with torch.no_grad():
        outputs = net(data.train.input[:1]).shape[1]
    about = {"input": _to_text(data.input_normaliser), "outputs": str(outputs)}
    if data.target_normaliser is not None:
        about["target"] = _to_text(data.target_normaliser)
    if table is not None:
        about["table"] = json.dumps(table)
    write_tensors(path, tensors, about)


def _to_text(normaliser: Normaliser) -> str:
    # repr of a float64 is exact, and every float32 is a float64.
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
    """Put these parameters into the net that its config describes. Raises InputError."""
    try:
        net.load_state_dict(dict(parameters))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"the weights do not fit the config's network: {reason}") from error


def load_weights(path: Path) -> Weights:
    """Raises InputError, with the file and what is wrong with it."""
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: this is not the directory of a finished run.\n"
            "Expected: a directory below outputs/ with weights.safetensors in it"
        )
    try:
        tensors, about = read_tensors(path)
        target = _from_text(about["target"]) if "target" in about else None
        table = json.loads(about["table"]) if "table" in about else None
        return Weights(tensors, _from_text(about["input"]), target, int(about["outputs"]), table)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not a whole weights file of this program: {error}") from error
