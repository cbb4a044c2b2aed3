"""Traces the mathematics of one member to a graph of torch's core operations.

A network, a loss or a metric is ordinary Python for the tensors of one run. Tracing turns it, with
its gradient, into some forty kinds of operations. `widen` gives these an axis of members.
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
    """Converts a network's parameters to one vector and back."""

    def __init__(self, net: nn.Module) -> None:
        self.shapes = {name: p.shape for name, p in net.named_parameters()}
        self.sizes = [shape.numel() for shape in self.shapes.values()]

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """(numbers,) to name -> tensor of its shape."""
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


# Gradients that torch computes in one pass over memory. Their decompositions would need three.
KEPT = (
    *(torch.ops.aten.tanh_backward.default, torch.ops.aten.sigmoid_backward.default),
    *(torch.ops.aten.threshold_backward.default, torch.ops.aten.hardtanh_backward.default),
    torch.ops.aten.leaky_relu_backward.default,
)


@cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    # Copied item by item: torch fills the table while it is read, so `|` would copy an empty one.
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
    """Trace a function for tensors like the examples. table: operation -> its decomposition.

    fake: trace without computing, in the form that TorchInductor takes.
    """
    with warnings.catch_warnings():
        # torch's tracer uses deprecated functions of torch, and warns about them.
        warnings.simplefilter("ignore")
        mode = "fake" if fake else "real"
        return make_fx(function, decomposition_table=table, tracing_mode=mode)(*example)


def trace_step(net: nn.Module, loss: Function, vector: Tensor, x: Tensor, y: Tensor) -> GraphModule:
    """The graph of (vector, x, y) -> (gradient (numbers,), loss), for shapes as the examples'."""
    flat = Flat(net)

    def value(vector: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(net, flat.split(vector), (x,)), y)

    return record(grad_and_value(value), (vector, x, y), _decompositions())


def trace_measures(
    net: nn.Module, measures: Mapping[str, Function], vector: Tensor, x: Tensor, y: Tensor
) -> GraphModule:
    """The graph of (vector, x, y) -> the value of each measure, in their order."""
    flat = Flat(net)

    def values(vector: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
        prediction = functional_call(net, flat.split(vector), (x,))
        return [measure(prediction, y) for measure in measures.values()]

    return record(values, (vector, x, y), _decompositions())
