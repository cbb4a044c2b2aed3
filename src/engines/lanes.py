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

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

from src.engines.operations import (
    CONSTANTS,
    ELEMENTWISE,
    FOLDED,
    REDUCTIONS,
    SHAPES,
    multiply,
    multiply_add,
    multiply_add_fused,
    multiply_fused,
    same,
)
from src.engines.trace import record

LANES = 64  # four vectors of 16 floats: the group in which torch's sums over rows proceed
VECTOR = 16

aten = torch.ops.aten


class CannotWiden(Exception):
    """An operation that has no form with a further axis."""


class _Widener:
    def __init__(self, source: GraphModule, fused: bool) -> None:
        self.source = source
        self.multiply = multiply_fused if fused else multiply
        self.multiply_add = multiply_add_fused if fused else multiply_add
        self.graph = Graph()
        self.new: dict[Node, Any] = {}
        self.laned: set[Node] = set()

    def run(self) -> GraphModule:
        for node in self.source.graph.nodes:
            if node.op == "placeholder":
                self.new[node] = self.graph.placeholder(node.name)
                self.laned.add(node)
            elif node.op == "output":
                self.graph.output(_map(node.args[0], self.new.__getitem__))
            elif node.op == "call_function":
                self.call(node)
            else:
                raise CannotWiden(f"{node.op} {node.target}")
        return GraphModule({}, self.graph)

    def emit(self, node: Node, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.new[node] = self.graph.call_function(function, args, kwargs)
        self.laned.add(node)

    def call(self, node: Node) -> None:
        target: Any = node.target
        if target in CONSTANTS:
            self.new[node] = CONSTANTS[target](*node.args)
            return
        values = [self.new.get(a) if isinstance(a, Node) else a for a in node.args]
        tensors = [a for a in node.all_input_nodes if isinstance(self.new[a], Node)]
        if not tensors:
            self.fold(node, values)
            return
        if target in ELEMENTWISE:
            function = ELEMENTWISE[target]
            if target is aten.where.self:
                values = [self._as_tensor(v, node) if i else v for i, v in enumerate(values)]
            if function is torch.maximum and not all(isinstance(v, Node) for v in values):
                number = next(v for v in values if not isinstance(v, Node))
                tensor = next(v for v in values if isinstance(v, Node))
                self.emit(node, torch.clamp, tensor, min=number)
            elif function is same or (function is torch.mul and values[1] == 1.0):
                self.new[node] = values[0]
                self.laned.add(node)
            else:
                self.emit(node, function, *values, **node.kwargs)
        elif target is operator.getitem:
            self.emit(node, operator.getitem, *values)
        elif target.overloadpacket in REDUCTIONS:
            self.reduce(node, REDUCTIONS[target.overloadpacket], values)
        else:
            self.reshape(node, target, values)

    def _as_tensor(self, value: Any, node: Node) -> Any:
        # torch.where takes numbers, but then guesses their type.
        if isinstance(value, Node):
            return value
        return self.graph.call_function(
            torch.full, ((1,), value), {"dtype": node.meta["val"].dtype,
                                        "device": node.meta["val"].device}
        )  # fmt: skip

    def fold(self, node: Node, values: list[Any]) -> None:
        target: Any = node.target
        if target in FOLDED:
            self.new[node] = FOLDED[target](*values)
        elif target in SHAPES:  # one number for every place, wherever the places are
            self.new[node] = values[0]
        else:
            raise CannotWiden(f"{target} of a constant")

    def reduce(self, node: Node, function: Callable[..., Any], values: list[Any]) -> None:
        dims = _dims(node.args[0])
        given = node.args[1] if len(node.args) > 1 else None
        over = range(dims) if not given else [d % dims for d in given]  # type: ignore[union-attr]
        keep = bool(node.args[2]) if len(node.args) > 2 else False
        if not over:
            self.new[node] = values[0]
            self.laned.add(node)
        else:
            self.emit(node, function, values[0], tuple(over), keepdim=keep)

    def reshape(self, node: Node, target: Any, values: list[Any]) -> None:
        x, *rest = values
        dims = _dims(node.args[0]) if isinstance(node.args[0], Node) else 0
        if target is aten.view.default or target is aten._unsafe_view.default:
            self.emit(node, torch.reshape, x, (*node.meta["val"].shape, -1))
        elif target is aten.expand.default:
            self.emit(node, Tensor.expand, x, (*node.meta["val"].shape, -1))
        elif target is aten.permute.default:
            self.emit(node, torch.permute, x, (*(d % dims for d in rest[0]), dims))
        elif target is aten.unsqueeze.default:
            self.emit(node, torch.unsqueeze, x, rest[0] % (dims + 1))
        elif target is aten.squeeze.dims:
            self.emit(node, torch.reshape, x, (*node.meta["val"].shape, -1))
        elif target is aten.select.int:
            self.emit(node, torch.select, x, rest[0] % dims, rest[1])
        elif target is aten.slice.Tensor:
            dim, start, end, step = [*rest, *[0, 0, math.inf, 1][len(rest) :]]
            cut = (slice(None),) * (dim % dims) + (slice(start, min(end, 2**62), step),)
            self.emit(node, operator.getitem, x, cut)
        elif target is aten.split_with_sizes.default:
            self.emit(node, torch.split, x, list(rest[0]), (rest[1] if len(rest) > 1 else 0) % dims)
        elif target is aten.cat.default:
            parts = [self.new[part] for part in node.args[0]]  # type: ignore[union-attr]
            if not all(isinstance(part, Node) for part in parts):
                raise CannotWiden("cat with a constant")
            dim = rest[0] if rest else 0
            self.emit(node, torch.cat, parts, dim % node.meta["val"].dim())
        elif target in (aten._softmax.default, aten._log_softmax.default):
            function = torch.softmax if target is aten._softmax.default else torch.log_softmax
            self.emit(node, function, x, rest[0] % dims)
        elif target is aten.max.dim:
            self.emit(node, torch.max, x, rest[0] % dims, *rest[1:])
        elif target is aten.argmax.default:
            self.emit(node, torch.argmax, x, rest[0] % dims, *rest[1:])
        elif target is aten._to_copy.default:
            self.emit(node, Tensor.to, x, node.meta["val"].dtype)
        elif target is aten.mm.default:
            self.emit(node, self.multiply, x, *rest)
        elif target is aten.addmm.default and not node.kwargs:
            self.emit(node, self.multiply_add, x, *rest)
        else:
            raise CannotWiden(str(target))


def _dims(node: Any) -> int:
    return node.meta["val"].dim()


def _map(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_map(item, function) for item in value)
    return function(value)


def widen(member: GraphModule, fused: bool = False) -> GraphModule:
    """The same graph with the members on a last axis of every input and output.

    fused: for a compiler. Raises CannotWiden where an operation has no such form.
    """
    return _Widener(member, fused).run()


def leading(member: GraphModule, example: tuple[Tensor, ...]) -> GraphModule:
    """The same graph with the members on the first axis, by torch.func.vmap.

    example: inputs of the size that it will be called with, (members, …).
    """
    return record(torch.func.vmap(member), example)
