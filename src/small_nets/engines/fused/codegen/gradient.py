"""Emits the gradient of every parameter, summed over the rows of a step."""

from collections.abc import Iterator, Sequence
from typing import Any

from small_nets.engines.fused.codegen.architecture import Architecture
from small_nets.engines.fused.codegen.emitter import Emitter, Index
from small_nets.engines.fused.codegen.lanes import Lanes, totals
from small_nets.engines.fused.codegen.network import Network
from small_nets.nn.activation_formulas import total


class Gradient:
    """The gradient of every parameter, summed over the blocks of a step.

    memory: it is laid out as the parameters. That is a vector of models for each parameter, or as
    many parameters in a vector as there are lanes.
    """

    def __init__(self, e: Emitter, a: Architecture, memory: Any) -> None:
        self.e, self.a, self.memory = e, a, memory
        self.local = e.array(a.numbers if a.is_small else 0)

    def clear(self) -> None:
        """Set the gradient to 0."""
        if self.a.is_small:
            for k in range(self.a.numbers):
                self.local[k] = self.e.lift(0.0)
        else:
            for k in self.e.loop(vectors(self.e, self.a)):
                self.e.store(self.e.lift(0.0), self.memory, self.e.times(k, self.e.lanes))

    def add(self, net: Network, k: int, o: Index, g: list[Lanes]) -> None:
        """Add a block's part for output `o` of layer `k`. g: the gradient of its sum W x + b."""
        layer = self.a.layers[k]
        if self.a.is_small or not self.a.rows_in_lanes:
            for i in net.loop(layer.inputs):
                self._grow(net.weight(k, o, i), g, net.at(net.values[k], i))
            if layer.bias:
                self._grow(net.bias(k, o), g, None)
            return
        e = self.e
        for first, count in _cut(e, layer.inputs):
            sums = []
            for t in range(count):
                x = net.at(net.values[k], e.add(first, t))
                sums.append(_onto(g[0] * x[0], g[1:], x[1:]))
            self._spread(net.weight(k, o, first), sums)

    def add_biases(self, net: Network) -> None:
        """Add a block's part for biases, where many of them share a vector."""
        if self.a.is_small or not self.a.rows_in_lanes:
            return
        for k, layer in enumerate(self.a.layers):
            for first, count in _cut(self.e, layer.outputs if layer.bias else 0):
                places = (self.e.add(first, t) for t in range(count))
                sums = [total(net.at(net.back[k + 1], place)) for place in places]
                self._spread(net.bias(k, first), sums)

    def _grow(self, place: Index, g: list[Lanes], x: list[Lanes] | None) -> None:
        if self.a.is_small:
            self.local[place] = _onto(self.local[place], g, x)
        else:
            at = self.e.times(place, self.e.lanes)
            self.e.store(_onto(self.e.load(self.memory, at), g, x), self.memory, at)

    def _spread(self, place: Index, sums: list[Lanes]) -> None:
        """Add each sum's total over its lanes to neighbouring places in memory."""
        self.e.store(self.e.load(self.memory, place) + totals(sums), self.memory, place)

    def finish(self) -> None:
        """Write a gradient that was kept in registers to memory."""
        if not self.a.is_small:
            return
        e, n = self.e, self.a.numbers
        if not self.a.rows_in_lanes:
            for k in range(n):
                e.store(self.local[k], self.memory, k * e.lanes)
            return
        for first in range(0, n, e.lanes):
            some = [self.local[k] for k in range(first, min(first + e.lanes, n))]
            e.store(totals(some), self.memory, first)


def _onto(start: Lanes, g: Sequence[Lanes], x: Sequence[Lanes] | None) -> Lanes:
    """start + Σ g x, added one after the other. x: None for a bias, whose input is 1."""
    if x is None:
        return total([start, *g])
    for value, factor in zip(g, x, strict=True):
        start = value.fma(factor, start)
    return start


def _cut(e: Emitter, count: int) -> Iterator[tuple[Index, int]]:
    """Yield the first place and the size of each group of at most as many as there are lanes."""
    whole = count // e.lanes
    for group in e.loop(whole):
        yield e.times(group, e.lanes), e.lanes
    if count % e.lanes:
        yield whole * e.lanes, count % e.lanes


def vectors(e: Emitter, a: Architecture) -> int:
    """The number of vectors that hold a unit's parameters."""
    return -(-a.numbers // e.lanes) if a.rows_in_lanes else a.numbers
