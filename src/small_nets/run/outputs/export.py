"""A trained net as a file for other programs: raw units in, raw units out."""

import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from small_nets.config.errors import InputError

if TYPE_CHECKING:
    from small_nets.run.outputs.raw_net import RawNet  # this file is read without torch


def _state_dict(net: "RawNet") -> bytes:
    """Name -> tensor, for `torch.load(…, weights_only=True)`."""
    import torch

    content = io.BytesIO()
    torch.save({name: values.clone() for name, values in net.state_dict().items()}, content)
    return content.getvalue()


def _onnx(net: "RawNet") -> bytes:
    """A model from input (rows, features) to prediction (rows, outputs), both float64.

    Raises InputError for a network that ONNX cannot express.
    """
    import torch

    rows = torch.zeros(2, len(net.input.shift), dtype=torch.float64)  # of one, the axis is fixed
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of torchvision, which nothing here needs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of torch
            program = torch.onnx.export(
                net, (rows,), dynamo=True, verbose=False, input_names=["input"],
                output_names=["prediction"], dynamic_shapes=({0: torch.export.Dim("rows")},),
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InputError(f"--export onnx cannot express this network: {reason}") from error
    finally:
        log.setLevel(level)
    assert program is not None, "with dynamo"
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # the folders in which this program and torch lie
    return model.SerializeToString()


@dataclass(frozen=True)
class Form:
    """suffix: of the file's name. needs: packages. content: of the file, for a net."""

    suffix: str
    needs: tuple[str, ...]
    content: Callable[["RawNet"], bytes]


FORMS = {
    "state_dict": Form(".pt", (), _state_dict),
    "onnx": Form(".onnx", ("onnx", "onnxscript"), _onnx),
}
