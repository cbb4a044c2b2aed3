"""The mathematics of one member, as a graph of torch's core operations.

A network, a loss or a metric is ordinary Python over tensors of one run. Tracing turns it,
gradient included, into some forty kinds of operation, which `lanes` gives a further axis.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch.func import functional_call, grad_and_value
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from small_nets.engines.cohort import Function
from small_nets.nn.losses import bce_back


class Flat:
    """A network's parameters as one vector: name -> shape, in order."""

    def __init__(self, net: nn.Module) -> None:
        self.shapes = {name: p.shape for name, p in net.named_parameters()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """(numbers,) -> name -> tensor of its shape."""
        parts = vector.split(self.sizes)
        pairs = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(shape) for (name, shape), part in pairs}

    def join(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """name -> (members, *shape) to (members, numbers)."""
        return torch.cat(
            [parameters[n].reshape(len(parameters[n]), -1) for n in self.shapes], dim=1
        )

    def unjoin(self, matrix: Tensor) -> dict[str, Tensor]:
        """(members, numbers) to name -> (members, *shape)."""
        parts = matrix.split(self.sizes, dim=1)
        pairs = zip(self.shapes.items(), parts, strict=True)
        return {name: part.reshape(-1, *shape).contiguous() for (name, shape), part in pairs}


def _bce_backward(grad: Tensor, p: Tensor, y: Tensor, weight: None = None, mean: int = 1) -> Tensor:
    if weight is not None or mean not in (0, 1):
        raise NotImplementedError("binary cross-entropy with weights of torch's own, or a sum")
    found = bce_back(grad, p, y)
    return found / p.numel() if mean else found


# Gradients that torch computes in one pass over memory, and their decomposition in three.
KEPT = (
    *(torch.ops.aten.tanh_backward.default, torch.ops.aten.sigmoid_backward.default),
    *(torch.ops.aten.threshold_backward.default, torch.ops.aten.hardtanh_backward.default),
    torch.ops.aten.leaky_relu_backward.default,
)


@cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    # Item by item: torch's table is filled as it is read, and `|` gives an empty one.
    table = dict(core_aten_decompositions().items())
    table[torch.ops.aten.binary_cross_entropy_backward.default] = _bce_backward
    for operation in KEPT:
        table.pop(operation, None)
    return table


def record(
    function: Callable[..., Any],
    example: Sequence[Tensor],
    table: dict[Any, Any] | None = None,
    fake: bool = False,
) -> GraphModule:
    """What a function does to tensors like the examples. table: how operations are taken apart.

    fake: nothing is computed, as TorchInductor wants its graphs.
    """
    with warnings.catch_warnings():
        # torch's tracer warns of its own use of deprecated pytrees.
        warnings.simplefilter("ignore")
        mode = "fake" if fake else "real"
        return make_fx(function, decomposition_table=table, tracing_mode=mode)(*example)


def trace_step(net: nn.Module, loss: Function, vector: Tensor, x: Tensor, y: Tensor) -> GraphModule:
    """(vector, x, y) -> gradient (numbers,), loss: shapes and dtypes as the examples'."""
    flat = Flat(net)

    def value(vector: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(net, flat.split(vector), (x,)), y)

    return record(grad_and_value(value), (vector, x, y), _decompositions())


def trace_measures(
    net: nn.Module, measures: Mapping[str, Function], vector: Tensor, x: Tensor, y: Tensor
) -> GraphModule:
    """(vector, x, y) -> the value of each measure, in their order."""
    flat = Flat(net)

    def values(vector: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
        prediction = functional_call(net, flat.split(vector), (x,))
        return [measure(prediction, y) for measure in measures.values()]

    return record(values, (vector, x, y), _decompositions())
