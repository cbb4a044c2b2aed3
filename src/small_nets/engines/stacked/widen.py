"""Gives the graph of one member an axis of members.

`widen` puts the members on the last axis of every tensor. Elementwise operations then broadcast
unchanged, and dimensions are counted from the front. The innermost loop of each kernel runs over
members, so vector lanes are full whatever the shape of a layer, and a sum over rows never crosses
lanes. If the number of members is a multiple of LANES, no kernel has a remainder loop. A member's
bits then depend neither on its place, nor on the other members, nor on their number. With a
multiple of VECTOR they may depend on the number, because sums may be grouped in another way.

`leading` puts the members on the first axis, by torch.func.vmap. The innermost loops then run over
a handful of hidden units, which is slower, except for nets whose matrix products are worth a call
of BLAS each.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node, map_arg

from small_nets.engines.stacked.operations import (
    CONSTANTS,
    DIMENSIONS,
    ELEMENTWISE,
    FOLDED,
    PRODUCTS,
    SPREAD,
    multiply_aligned,
    same,
)
from small_nets.engines.stacked.trace import record

LANES = 64  # four vectors of 16 floats, by which torch groups its sums over rows
VECTOR = 16


class CannotWiden(Exception):
    """An operation has no form with an axis of members."""


class _Widener:
    def __init__(self, source: GraphModule, fused: bool) -> None:
        self.source, self.fused = source, fused
        self.graph = Graph()
        self.new: dict[Node, Any] = {}  # old node -> new node, or a number for a constant tensor

    def run(self) -> GraphModule:
        for node in self.source.graph.nodes:
            if node.op == "placeholder":
                self.new[node] = self.graph.placeholder(node.name)
            elif node.op == "output":
                self.graph.output(map_arg(node.args[0], self.new.__getitem__))
            elif node.op == "call_function":
                self.new[node] = self.call(node)
            else:
                raise CannotWiden(f"{node.op} {node.target}")
        return GraphModule({}, self.graph)

    def emit(self, function: Callable[..., Any], first: Any, *args: Any, **kwargs: Any) -> Any:
        if function is same:
            return first
        return self.graph.call_function(function, (first, *args), kwargs)

    def call(self, node: Node) -> Any:
        target: Any = node.target
        if target in CONSTANTS:
            return CONSTANTS[target](*node.args)
        values = map_arg(node.args, self.new.__getitem__)
        tensors = [self.new[a] for a in node.all_input_nodes]
        if not any(isinstance(value, Node) for value in tensors):
            return self.fold(target, values)
        if target in ELEMENTWISE:
            return self.elementwise(node, ELEMENTWISE[target], values)
        if not all(isinstance(value, Node) for value in tensors):
            raise CannotWiden(f"{target} with a constant")
        if target is operator.getitem:
            return self.emit(target, *values)
        if target in PRODUCTS and not node.kwargs:
            return self.emit(PRODUCTS[target][self.fused], *values)
        if target not in DIMENSIONS:
            raise CannotWiden(str(target))
        dims = node.args[0].meta["val"].dim() if isinstance(node.args[0], Node) else 0
        function, *rest = DIMENSIONS[target](dims, node.meta["val"], *values[1:])
        return self.emit(function, values[0], *rest)

    def fold(self, target: Any, values: Any) -> Any:
        if target in FOLDED:
            return FOLDED[target](*values)
        if target in SPREAD:  # a constant tensor stays constant in any shape
            return values[0]
        raise CannotWiden(f"{target} of a constant")

    def elementwise(self, node: Node, function: Callable[..., Any], values: Any) -> Any:
        if function is torch.where:
            return self.emit(function, values[0], *(self._as_tensor(v, node) for v in values[1:]))
        numbers = [value for value in values if not isinstance(value, Node)]
        if function is torch.maximum and numbers:
            tensor = next(value for value in values if isinstance(value, Node))
            return self.emit(torch.clamp, tensor, min=numbers[0])
        if function is torch.mul and values[1] == 1.0:
            return values[0]
        return self.emit(function, *values, **node.kwargs)

    def _as_tensor(self, value: Any, node: Node) -> Any:
        # torch.where would guess the type of a plain number.
        if isinstance(value, Node):
            return value
        like = node.meta["val"]
        return self.emit(torch.full, (1,), value, dtype=like.dtype, device=like.device)


def widen(member: GraphModule, fused: bool = False) -> GraphModule:
    """Put the members on a last axis of every input and output of a graph.

    fused: make the form for a compiler. Raises CannotWiden for an operation without such a form.
    """
    return _Widener(member, fused).run()


def leading(member: GraphModule, example: tuple[Tensor, ...]) -> GraphModule:
    """Put the members on the first axis of every input and output of a graph.

    example: inputs, (members, …), of the shapes with which it will be called.
    """
    found = record(torch.func.vmap(member), example)
    for node in found.graph.nodes:
        if node.target is torch.ops.aten.bmm.default:
            node.target = multiply_aligned
    found.recompile()
    return found
