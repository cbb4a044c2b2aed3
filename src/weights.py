"""weights.safetensors: the trained parameters, and the normalisation that belongs to them."""

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from src.data.module import ExampleData
from src.data.normalise import Normaliser
from src.errors import InputError


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
    path: Path, net: nn.Module, data: ExampleData, table: dict[str, Any] | None = None
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
    try:
        save_file(tensors, path, metadata=about)
    except SafetensorError as error:  # its way to say that the system refused
        raise OSError(errno.EIO, str(error), str(path)) from error


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


def load_weights(path: Path) -> Weights:
    """Raises InputError, with the file and what is wrong with it."""
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: this is not the directory of a finished run.\n"
            "Expected: a directory below outputs/ with weights.safetensors in it"
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = file.metadata() or {}
        target = _from_text(about["target"]) if "target" in about else None
        table = json.loads(about["table"]) if "table" in about else None
        return Weights(tensors, _from_text(about["input"]), target, int(about["outputs"]), table)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not a whole weights file of this program: {error}") from error
