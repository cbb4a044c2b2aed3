"""A network on one block of rows: forward, and what flows back."""

from collections.abc import Callable, Iterator
from typing import Any

from src.engines.fused.activations import ACTIVATIONS, softmax, softmax_back
from src.engines.fused.architecture import Architecture, Layer
from src.engines.fused.emitter import BITS, LANES, Array, Emitter, Index
from src.engines.fused.lanes import Lanes

TILE = 4  # outputs, or inputs, of a wider layer that are summed at the same time


STACK = 2 << 20  # bytes of a thread's stack that a block's values may take
# What a vector of rows costs a small net in blocks of so many, as measured on `sine`: few leave
# each waiting for the one before it, more do not fit into the registers.
COSTS = {1: 1.3, 2: 1.1, 3: 1.0}


def depth_for(a: Architecture, batch: int) -> int:
    """Vectors of a block: rows that are computed at the same time share the parameters' loads.

    0 where not even one fits on the stack.
    """
    widths = 3 * (a.inputs + a.outputs + sum(layer.outputs for layer in a.layers))
    most = STACK // (BITS // 8 * widths)
    if not a.rows_in_lanes:
        return min(1 if a.is_small else 4, batch, most)
    count = -(-batch // LANES[a.size])
    if a.is_small:
        return min(COSTS, key=lambda depth: -(-count // depth) * depth * COSTS[depth])
    return min(count, 7, most)


class Network:
    """Forward and backward passes over one block of rows: `depth` vectors, row by row of lanes."""

    def __init__(self, e: Emitter, a: Architecture, depth: int) -> None:
        self.e, self.a, self.depth = e, a, depth
        self.unrolled = a.is_small
        widths = [a.inputs, *(layer.outputs for layer in a.layers)]
        self.values = [e.array(width * depth) for width in widths]
        self.before = [e.array(layer.outputs * depth) for layer in a.layers]
        self.back = [e.array(width * depth) for width in widths]

    def parameter(self, p: Any, place: Index) -> Lanes:
        """One of the network's numbers: of each model, or the model's own in every lane."""
        if self.a.rows_in_lanes:
            return self.e.broadcast(p, place)
        return self.e.load(p, self.e.times(place, self.e.lanes))

    def weight(self, k: int, o: Index, i: Index) -> Index:
        """The place of a weight among the numbers."""
        e = self.e
        return e.add(e.add(self.a.offsets[k], e.times(o, self.a.layers[k].inputs)), i)

    def bias(self, k: int, o: Index) -> Index:
        layer = self.a.layers[k]
        return self.e.add(self.a.offsets[k] + layer.inputs * layer.outputs, o)

    def tiles(self, count: int) -> Iterator[tuple[Index, int]]:
        """First place and size of each group of neighbours."""
        whole = count // TILE
        for group in self.e.loop(whole, self.unrolled):
            yield self.e.times(group, TILE), TILE
        if count % TILE:
            yield whole * TILE, count % TILE

    def at(self, array: Array, unit: Index) -> list[Lanes]:
        return [array[self.e.add(self.e.times(unit, self.depth), r)] for r in range(self.depth)]

    def put(self, array: Array, unit: Index, values: list[Lanes]) -> None:
        for r, value in enumerate(values):
            array[self.e.add(self.e.times(unit, self.depth), r)] = value

    def read(self, x: Any, block: Index) -> None:
        """Take a block's inputs, stored (block, feature, depth, lanes)."""
        self.values[0] = self.given(x, block, self.a.inputs)

    def given(self, pointer: Any, block: Index, width: int) -> Array:
        e, d = self.e, self.depth
        array = e.array(width * d)
        first = e.times(block, width * d * e.lanes)
        for i in e.loop(width * d, self.unrolled):
            array[i] = e.load(pointer, e.add(first, e.times(i, e.lanes)))
        return array

    def forward(self, p: Any) -> None:
        for k, layer in enumerate(self.a.layers):
            self._linear(p, k, layer)
            self._activate(k, layer)

    def _linear(self, p: Any, k: int, layer: Layer) -> None:
        e, d = self.e, self.depth
        for first, count in self.tiles(layer.outputs):
            sums = e.array(count * d)
            for t in range(count):
                o = e.add(first, t)
                bias = self.parameter(p, self.bias(k, o)) if layer.bias else e.lift(0.0)
                for r in range(d):
                    sums[t * d + r] = bias
            for i in e.loop(layer.inputs, self.unrolled):
                x = self.at(self.values[k], i)
                for t in range(count):
                    w = self.parameter(p, self.weight(k, e.add(first, t), i))
                    for r in range(d):
                        sums[t * d + r] = x[r].fma(w, sums[t * d + r])
            for t in range(count):
                self.put(self.before[k], e.add(first, t), [sums[t * d + r] for r in range(d)])

    def _activate(self, k: int, layer: Layer) -> None:
        if layer.activation == "softmax":
            for r in range(self.depth):
                self.put_row(
                    self.values[k + 1], softmax(self.row(self.before[k], layer.outputs, r)), r
                )
            return
        value = ACTIVATIONS[layer.activation].value
        for o in self.e.loop(layer.outputs, self.unrolled):
            self.put(self.values[k + 1], o, [value(z) for z in self.at(self.before[k], o)])

    def row(self, array: Array, width: int, r: int) -> list[Lanes]:
        return [array[k * self.depth + r] for k in range(width)]

    def put_row(self, array: Array, values: list[Lanes], r: int) -> None:
        for k, value in enumerate(values):
            array[k * self.depth + r] = value

    def prediction(self, r: int) -> list[Lanes]:
        return self.row(self.values[-1], self.a.outputs, r)

    def backward(self, p: Any, add: Callable[["Network", int, Layer], None]) -> None:
        """From the gradient of the outputs, that of each layer's sums, in `back`.

        add: told each layer, last one first, whose `back` and whose inputs are there.
        """
        for k in reversed(range(len(self.a.layers))):
            layer = self.a.layers[k]
            self._through(k, layer)
            add(self, k, layer)
            if k:
                self._to_inputs(p, k, layer)

    def _through(self, k: int, layer: Layer) -> None:
        """The gradient of a layer's activation becomes that of what went into it."""
        if layer.activation == "softmax":
            for r in range(self.depth):
                rows = (
                    self.row(array[k + 1], layer.outputs, r) for array in (self.back, self.values)
                )
                self.put_row(self.back[k + 1], softmax_back(*rows), r)
            return
        if layer.activation == "identity":
            return
        back = ACTIVATIONS[layer.activation].back
        for o in self.e.loop(layer.outputs, self.unrolled):
            arrays = (self.back[k + 1], self.before[k], self.values[k + 1])
            parts = zip(*(self.at(array, o) for array in arrays), strict=True)
            self.put(self.back[k + 1], o, [back(g, z, a) for g, z, a in parts])

    def _to_inputs(self, p: Any, k: int, layer: Layer) -> None:
        e, d = self.e, self.depth
        for first, count in self.tiles(layer.inputs):
            sums = e.array(count * d)
            for t in range(count * d):
                sums[t] = e.lift(0.0)
            for o in e.loop(layer.outputs, self.unrolled):
                g = self.at(self.back[k + 1], o)
                for t in range(count):
                    w = self.parameter(p, self.weight(k, o, e.add(first, t)))
                    for r in range(d):
                        sums[t * d + r] = g[r].fma(w, sums[t * d + r])
            for t in range(count):
                self.put(self.back[k], e.add(first, t), [sums[t * d + r] for r in range(d)])
