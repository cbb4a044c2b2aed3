"""Exports a trained net for other programs, from raw inputs to raw predictions."""

import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from small_nets.config.errors import InputError

if TYPE_CHECKING:
    from small_nets.run.outputs.raw_net import RawNet  # not imported at run time, as it needs torch


def _state_dict(net: "RawNet") -> bytes:
    """The content of a file for `torch.load(…, weights_only=True)`: name -> tensor."""
    import torch

    content = io.BytesIO()
    torch.save({name: values.clone() for name, values in net.state_dict().items()}, content)
    return content.getvalue()


def _onnx(net: "RawNet") -> bytes:
    """An ONNX model from `input` (rows, features) to `prediction` (rows, outputs), float64.

    Raises InputError for a network that ONNX cannot express.
    """
    import torch

    # Two rows: with one, the exporter would fix the number of rows.
    rows = torch.zeros(2, len(net.input.shift), dtype=torch.float64)
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)  # otherwise it warns that torchvision is missing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch uses its own deprecated functions
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
        node.ClearField("metadata_props")  # has the paths of this program and of torch
    return model.SerializeToString()


@dataclass(frozen=True)
class Form:
    """A format. suffix: of the file's name. needs: packages. content: makes the file's content."""

    suffix: str
    needs: tuple[str, ...]
    content: Callable[["RawNet"], bytes]


FORMS = {
    "state_dict": Form(".pt", (), _state_dict),
    "onnx": Form(".onnx", ("onnx", "onnxscript"), _onnx),
}
