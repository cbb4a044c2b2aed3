"""Emits the forward and the backward pass of a network over one block of rows."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from small_nets.engines.fused.codegen.architecture import Architecture, Layer
from small_nets.engines.fused.codegen.emitter import BITS, LANES, Array, Emitter, Index
from small_nets.engines.fused.codegen.lanes import Lanes
from small_nets.nn.activation_formulas import FORMULAS, Row, softmax, softmax_back

# Outputs (or inputs) of a layer that are summed at the same time, in a large and a small net.
TILE, TILE_SMALL = 4, 1
FEW = 3  # so many inputs or outputs are unrolled, not looped over
STACK = 2 << 20  # bytes of a thread's stack that a block's values may take
OUTPUTS = 64  # outputs times vectors of a block: the loss is straight-line code, and has to compile
CACHE = 32 << 10  # bytes of a core's first-level cache, in which a block's values should fit
MOST, MOST_SMALL = 7, 10  # vectors of a block, of a large and a small net


def depth_for(a: Architecture, batch: int) -> int:
    """The number of vectors of a block; 0 where not even one fits on the stack.

    The rows of a block are computed together, so that each parameter is loaded once for them.
    """
    widths = 3 * (a.inputs + a.outputs + sum(layer.outputs for layer in a.layers))
    most = STACK // (BITS // 8 * widths)
    if not a.rows_in_lanes:
        return min(1 if a.is_small else 4, batch, most, max(OUTPUTS // a.outputs, 1))
    count = min(-(-batch // LANES[a.size]), max(OUTPUTS // a.outputs, 1))
    if not a.is_small:
        return min(count, MOST, most)
    held = max(CACHE // (BITS // 8 * 2 * sum(layer.outputs for layer in a.layers)), 2)
    # A block costs as much as two fifths of a vector more (measured on `sine`), and the last block
    # is padded.
    return min(range(1, min(held, MOST_SMALL) + 1), key=lambda d: -(-count // d) * (d + 0.4))


class Network:
    """Forward and backward pass over a block of rows, which has `depth` vectors."""

    def __init__(self, e: Emitter, a: Architecture, depth: int) -> None:
        self.e, self.a, self.depth = e, a, depth
        # More straight-line code would not fit into a core's cache of decoded instructions.
        self.unrolled = a.is_small and not a.rows_in_lanes
        self.tile = TILE if not a.is_small else TILE_SMALL
        widths = [a.inputs, *(layer.outputs for layer in a.layers)]
        self.values = [e.array(width * depth) for width in widths]
        self.before = [e.array(layer.outputs * depth) for layer in a.layers]
        self.back = [e.array(width * depth) for width in widths]

    def parameter(self, p: Any, place: Index) -> Lanes:
        """A parameter: one of each model in its lane, or the model's in every lane."""
        if self.a.rows_in_lanes:
            return self.e.broadcast(p, place)
        return self.e.load(p, self.e.times(place, self.e.lanes))

    def weight(self, k: int, o: Index, i: Index) -> Index:
        """The place of the weight from input `i` to output `o` of layer `k`."""
        e = self.e
        return e.add(e.add(self.a.offsets[k], e.times(o, self.a.layers[k].inputs)), i)

    def bias(self, k: int, o: Index) -> Index:
        """The place of the bias of output `o` of layer `k`."""
        layer = self.a.layers[k]
        return self.e.add(self.a.offsets[k] + layer.inputs * layer.outputs, o)

    def loop(self, count: int) -> Iterator[Index]:
        """Loop over a layer's inputs or outputs. Few of them are unrolled."""
        return self.e.loop(count, self.unrolled or count <= FEW)

    def tiles(self, count: int) -> Iterator[tuple[Index, int]]:
        """Yield the first place and the size of each tile of neighbours."""
        size = self.tile
        whole = count // size
        for group in self.e.loop(whole, self.unrolled):
            yield self.e.times(group, size), size
        if count % size:
            yield whole * size, count % size

    def at(self, array: Array, unit: Index) -> list[Lanes]:
        """A unit's values in all vectors of the block."""
        return [array[self.e.add(self.e.times(unit, self.depth), r)] for r in range(self.depth)]

    def put(self, array: Array, unit: Index, values: list[Lanes]) -> None:
        """Set a unit's values in all vectors of the block."""
        for r, value in enumerate(values):
            array[self.e.add(self.e.times(unit, self.depth), r)] = value

    def read(self, x: Any, block: Index) -> None:
        """Load a block's inputs. x: (block, feature, depth, lanes)."""
        self.values[0] = self.given(x, block, self.a.inputs)

    def given(self, pointer: Any, block: Index, width: int) -> Array:
        """Load a block's numbers, of `width` for each row."""
        e, d = self.e, self.depth
        array = e.array(width * d)
        first = e.times(block, width * d * e.lanes)
        for i in e.loop(width * d, self.unrolled):
            array[i] = e.load(pointer, e.add(first, e.times(i, e.lanes)))
        return array

    def forward(self, p: Any) -> None:
        """Compute the values of all layers. p: the unit's parameters."""
        for k, layer in enumerate(self.a.layers):
            self._layer(p, k, layer)
            if layer.activation == "softmax":
                for r in range(self.depth):
                    z = self.row(self.before[k], layer.outputs, r)
                    self.put_row(self.values[k + 1], softmax(z), r)

    def _layer(self, p: Any, k: int, layer: Layer) -> None:
        e = self.e
        for first, count in self.tiles(layer.outputs):
            outputs = [e.add(first, t) for t in range(count)]
            start = [
                self.parameter(p, self.bias(k, o)) if layer.bias else e.lift(0.0) for o in outputs
            ]
            places = [partial(self.weight, k, o) for o in outputs]
            sums = self._products(p, start, self.values[k], layer.inputs, places)
            for o, z in zip(outputs, sums, strict=True):
                self._activate(k, layer, o, z)

    def _products(
        self, p: Any, start: list[Lanes], of: Array, count: int, places: list[Callable[..., Index]]
    ) -> list[list[Lanes]]:
        """Several sums start + Σ weight · unit over the units of an array, for the whole block.

        places: for each sum, unit -> place of its weight.
        """
        d = self.depth
        sums = self.e.array(len(start) * d)
        for t, value in enumerate(start):
            for r in range(d):
                sums[t * d + r] = value
        for unit in self.loop(count):
            x = self.at(of, unit)
            for t, place in enumerate(places):
                w = self.parameter(p, place(unit))
                for r in range(d):
                    sums[t * d + r] = x[r].fma(w, sums[t * d + r])
        return [self.at(sums, t) for t in range(len(start))]

    def _activate(self, k: int, layer: Layer, o: Index, z: list[Lanes]) -> None:
        """Store an output's value a, and its sum z where the backward pass needs it."""
        if layer.activation == "softmax":
            self.put(self.before[k], o, z)
            return
        activation = FORMULAS[layer.activation]
        if activation.asks_z:
            self.put(self.before[k], o, z)
        a = [activation.value(one) for one in z]
        if k == len(self.a.layers) - 1:
            # LLVM assumes that `over` never gives NaN, so it would take every loss for finite.
            a = [one.equals(one).where(value, one) for one, value in zip(z, a, strict=True)]
        self.put(self.values[k + 1], o, a)

    def row(self, array: Array, width: int, r: int) -> list[Lanes]:
        """The values of all units in vector `r` of the block."""
        return [array[k * self.depth + r] for k in range(width)]

    def put_row(self, array: Array, values: Row, r: int) -> None:
        """Set the values of all units in vector `r` of the block."""
        for k, value in enumerate(values):
            array[k * self.depth + r] = value

    def prediction(self, r: int) -> list[Lanes]:
        """The network's outputs in vector `r` of the block."""
        return self.row(self.values[-1], self.a.outputs, r)

    def backward(self, p: Any, add: Callable[["Network", int, Index, list[Lanes]], None]) -> None:
        """Propagate the gradient of the outputs, which is in `back`, to the sums of all layers.

        add: called with (self, layer, output, gradient of its sum) for each output, last layer
        first.
        """
        for k in reversed(range(len(self.a.layers))):
            layer = self.a.layers[k]
            if layer.activation == "softmax":
                for r in range(self.depth):
                    arrays = (self.back[k + 1], self.values[k + 1])
                    rows = (self.row(array, layer.outputs, r) for array in arrays)
                    self.put_row(self.back[k + 1], softmax_back(*rows), r)
            for o in self.loop(layer.outputs):
                g = self._through(k, layer, o)
                if k or not self.a.is_small:  # otherwise it is not needed again
                    self.put(self.back[k + 1], o, g)
                add(self, k, o, g)
            if k:
                self._to_inputs(p, k, layer)

    def _through(self, k: int, layer: Layer, o: Index) -> list[Lanes]:
        """The gradient of an output's sum z, from the gradient of its value a."""
        g = self.at(self.back[k + 1], o)
        if layer.activation == "softmax":
            return g
        activation, a = FORMULAS[layer.activation], self.at(self.values[k + 1], o)
        z = self.at(self.before[k], o) if activation.asks_z else a
        return [activation.back(*of) for of in zip(g, z, a, strict=True)]

    def _to_inputs(self, p: Any, k: int, layer: Layer) -> None:
        """The gradient of a layer's inputs, from the gradient of its sums."""
        e = self.e
        for first, count in self.tiles(layer.inputs):
            inputs = [e.add(first, t) for t in range(count)]
            places = [partial(self.weight, k, i=i) for i in inputs]
            start = [e.lift(0.0)] * count
            sums = self._products(p, start, self.back[k + 1], layer.outputs, places)
            for i, g in zip(inputs, sums, strict=True):
                self.put(self.back[k], i, g)
