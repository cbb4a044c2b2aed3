"""The predictions and parameters that a result holds."""

from typing import Any

import torch
from torch import Tensor, nn

from src.evaluate import gradients, predict
from src.result import MAX_PREDICTIONS, MAX_VALUES
from src.run import Run

Prediction = dict[str, Any]


def predictions(run: Run) -> list[Prediction]:
    """The probes, or else the validation rows, or else the training rows; raw units."""
    table, data = run.data.table, run.data
    if run.probe is not None:
        asked = torch.tensor(run.probe[:MAX_PREDICTIONS], dtype=table.input.dtype)
        return prediction_rows(run.net, run, asked, None)
    rows = (data.val or data.train).rows[:MAX_PREDICTIONS]
    target = None if table.target is None else table.target[rows]
    return prediction_rows(run.net, run, table.input[rows], target)


def prediction_rows(
    net: nn.Module, run: Run, input: Tensor, target: Tensor | None
) -> list[Prediction]:
    """One entry a row of input (rows, features) and target (rows, outputs), raw units."""
    output = predict(net, run.data, input)
    targets: list[Any] = [None] * len(input) if target is None else target.tolist()
    return [
        {"input": x, "prediction": y, "target": t}
        for x, y, t in zip(input.tolist(), output.tolist(), targets, strict=True)
    ]


def parameters(run: Run) -> dict[str, dict[str, Any]]:
    """Name -> shape, values and the gradient of the whole training split's loss, in network units.

    Values and gradients are left out (None) for parameters of more than 1,000 numbers.
    """
    found = gradients(run.net, run.loss, run.data.train)

    def listed(values: Tensor | None) -> Any:
        return None if values is None or values.numel() > MAX_VALUES else values.tolist()

    return {
        name: {
            "shape": list(parameter.shape),
            "values": listed(parameter.detach()),
            "gradient": listed(found.get(name)),
        }
        for name, parameter in run.net.named_parameters()
    }
