"""A further axis for the members, behind all others: the model axis last.

`widen` rewrites the graph of one member so that every tensor carries the members on a last
axis. Elementwise operations then broadcast as they stand, dimensions are counted from the
front, and the innermost loop of each kernel runs over members: whatever the shape of a layer,
the vector lanes are full, and a sum over rows never crosses lanes. With a number of members
that is a multiple of LANES no kernel has a remainder loop, so that a member's numbers depend
neither on its neighbours, nor on its place among them, nor on their number. With multiples of
VECTOR that holds as long as their number is the same: a sum may then proceed in other groups.

Not torch.func.vmap, which moves the members to the front at every operation: the innermost
loops then run over a handful of hidden units. `leading` does that, for nets whose matrix
products are worth a call of BLAS each.
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

LANES = 64  # four vectors of 16 floats: the group in which torch's sums over rows proceed
VECTOR = 16


class CannotWiden(Exception):
    """An operation that has no form with a further axis."""


class _Widener:
    def __init__(self, source: GraphModule, fused: bool) -> None:
        self.source, self.fused = source, fused
        self.graph = Graph()
        self.new: dict[Node, Any] = {}  # a node, or the number of a tensor of one number

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
        if target in SPREAD:  # one number for every place, wherever the places are
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
        # torch.where takes numbers, but then guesses their type.
        if isinstance(value, Node):
            return value
        like = node.meta["val"]
        return self.emit(torch.full, (1,), value, dtype=like.dtype, device=like.device)


def widen(member: GraphModule, fused: bool = False) -> GraphModule:
    """The same graph with the members on a last axis of every input and output.

    fused: for a compiler. Raises CannotWiden where an operation has no such form.
    """
    return _Widener(member, fused).run()


def leading(member: GraphModule, example: tuple[Tensor, ...]) -> GraphModule:
    """The same graph with the members on the first axis, by torch.func.vmap.

    example: inputs of the size that it will be called with, (members, …).
    """
    found = record(torch.func.vmap(member), example)
    for node in found.graph.nodes:
        if node.target is torch.ops.aten.bmm.default:
            node.target = multiply_aligned
    found.recompile()
    return found
