"""Emits the two functions of a kernel: `steps` trains, `measure` computes the losses of a split.

The vector lanes are filled in one of two ways:

- With few rows a step, each lane holds a model. A unit of work is as many models as there are
  lanes, and a parameter is a vector.
- With many rows a step, each lane holds a row. A unit is one model. A parameter is broadcast, and
  its gradient is summed over the lanes at the end.

The choice depends on the number of rows alone, so a model's bits never depend on other models.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import llvmlite.ir as ir

from small_nets.engines.fused.codegen.architecture import Architecture
from small_nets.engines.fused.codegen.emitter import INT, POINTER, Array, Emitter
from small_nets.engines.fused.codegen.gradient import Gradient, vectors
from small_nets.engines.fused.codegen.lanes import Lanes
from small_nets.engines.fused.codegen.network import Network
from small_nets.nn.metrics import is_right

EPS = 1e-6  # added to the norm, as in torch.nn.utils.clip_grad_norm_
STEP_POINTERS = ("p", "state", "x", "y", "weights", "constant", "varying", "running", "done", "g")
STEP_NUMBERS = ("units", "steps", "blocks", "batches")
MEASURE_POINTERS = ("p", "x", "y", "weights", "out")
MEASURE_NUMBERS = ("units", "blocks")


@dataclass(frozen=True)
class Update:
    """An update rule for a kernel.

    function: (parameter, gradient, state, **coefficients) -> (new parameter, new state). slots:
    the names of its state. constant: the names of coefficients that stay the same, with "clip" if
    gradients are clipped. varying: the names of those that change with the step.
    """

    function: Callable[..., Any]
    slots: tuple[str, ...]
    constant: tuple[str, ...]
    varying: tuple[str, ...]


def emit_steps(module: ir.Module, a: Architecture, update: Update, depth: int) -> None:
    """Emit `steps`, which trains every unit for some steps. depth: vectors of a block.

    Its arguments are:

    - p: the parameters, (units, vectors, lanes)
    - state: the rule's, (units, slots, vectors, lanes)
    - x, y: (units, batches, blocks, width, depth, lanes)
    - weights: of each row in the loss, (batches, blocks, depth, lanes)
    - constant: coefficients, (units, coefficients, lanes)
    - varying: coefficients, (units, steps, coefficients, lanes)
    - running: 1 for lanes that still train, else 0, (units, lanes)
    - done: receives the steps that were done, (units, lanes)
    - g: memory for a unit's gradient
    - units, steps: their numbers
    - blocks: of a step
    - batches: of x and y, which the steps go through again and again

    A model whose loss is not finite keeps the parameters of that loss.
    """
    arguments = [POINTER] * len(STEP_POINTERS) + [INT] * len(STEP_NUMBERS)
    e = Emitter(module, "steps", arguments, a.size)
    given: dict[str, Any] = dict(zip((*STEP_POINTERS, *STEP_NUMBERS), e.function.args, strict=True))
    given["g"].add_attribute("noalias")
    step = _Step(e, a, update, depth, given)
    for unit in e.loop(given["units"]):
        step.unit(unit)
    e.finish()


class _Step:
    """Emits the training of one unit. given: name of an argument of `steps` -> its value."""

    def __init__(
        self, e: Emitter, a: Architecture, update: Update, depth: int, given: dict[str, Any]
    ) -> None:
        self.e, self.a, self.update, self.given = e, a, update, given
        self.net, self.gradient = Network(e, a, depth), Gradient(e, a, given["g"])
        self.size = vectors(e, a)
        self.row = depth * e.lanes

    def part(self, name: str, unit: Any, size: Any) -> Any:
        """The address of a unit's numbers in an array with `size` numbers for each unit."""
        return self.e.address(self.given[name], self.e.times(unit, size))

    def unit(self, unit: Any) -> None:
        """Train a unit for all steps."""
        e, given, lanes = self.e, self.given, self.e.lanes
        rows = e.times(e.times(given["blocks"], given["batches"]), self.row)
        p = self.part("p", unit, self.size * lanes)
        state = self.part("state", unit, self.size * lanes * len(self.update.slots))
        x = self.part("x", unit, e.times(rows, self.a.inputs))
        y = self.part("y", unit, e.times(rows, self.a.targets))
        running, done = self.part("running", unit, lanes), self.part("done", unit, lanes)
        constant = self.part("constant", unit, len(self.update.constant) * lanes)
        coefficients = len(self.update.varying) * lanes
        varying = self.part("varying", unit, e.times(given["steps"], coefficients))
        alive = e.array(2)
        alive[0], alive[1] = e.load(running, 0), e.load(done, 0)
        for step in e.loop(given["steps"]):
            batch = e.builder.srem(step, given["batches"])
            value = self.differentiate(p, x, y, e.times(batch, given["blocks"]))
            is_alive = value.is_finite() & (alive[0] > 0.5)
            alive[0] = is_alive.where(1.0, 0.0)
            alive[1] = alive[1] + alive[0]
            now = e.address(varying, e.times(step, coefficients))
            numbers = {n: e.load(constant, j * lanes) for j, n in enumerate(self.update.constant)}
            numbers |= {n: e.load(now, j * lanes) for j, n in enumerate(self.update.varying)}
            self.advance(p, state, numbers, is_alive)
        e.store(alive[0], running, 0)
        e.store(alive[1], done, 0)

    def differentiate(self, p: Any, x: Any, y: Any, first: Any) -> Lanes:
        """Write the gradient of a batch's loss to memory.

        p, x, y: the unit's. first: the batch's first block. Returns the loss of each lane, or a
        number that is finite exactly where the loss is.
        """
        e, net = self.e, self.net
        self.gradient.clear()
        whole = e.array(1)
        whole[0] = e.lift(0.0)
        for block in e.loop(self.given["blocks"]):
            place = e.add(first, block)
            net.read(x, place)
            target = net.given(y, place, self.a.targets)
            net.forward(p)
            for r in range(net.depth):
                weight = e.load(self.given["weights"], e.add(e.times(place, self.row), r * e.lanes))
                whole[0] = self.begin_back(net.prediction(r), target, weight, whole[0], r)
            net.backward(p, self.gradient.add)
            self.gradient.add_biases(net)
        self.gradient.finish()
        return whole[0].total() if self.a.rows_in_lanes else whole[0]

    def begin_back(
        self, prediction: list[Lanes], target: Array, weight: Lanes, whole: Lanes, r: int
    ) -> Lanes:
        """Start the backward pass for vector `r` of a block, with the gradient of the outputs.

        weight: of the rows in the mean. Returns `whole` plus these rows' part of the loss.
        """
        truth, own = _truth(self.net, target, r)
        g, loss = weight if own is None else weight * own, self.a.loss
        self.net.put_row(self.net.back[-1], loss.back(g, prediction, truth), r)
        if loss.is_finite is None:
            # Without the weight, so that it overflows where torch's sum does. Padding adds 0.
            return whole + (weight > 0.0).where(loss.value(prediction, truth), 0.0)
        finite = reduce(operator.and_, map(loss.is_finite, prediction))
        return whole + finite.where(0.0, float("inf"))

    def advance(self, p: Any, state: Any, numbers: dict[str, Lanes], alive: Any) -> None:
        """Update every parameter once, in the lanes where `alive` is true.

        numbers: the coefficients, and "clip" if gradients are clipped.
        """
        e = self.e
        scale = self.clip(numbers.pop("clip")) if self.a.clips else None
        for k in e.loop(self.size, self.a.is_small):
            at = e.times(k, e.lanes)
            slots = {
                slot: e.add(at, j * self.size * e.lanes) for j, slot in enumerate(self.update.slots)
            }
            parameter, g = e.load(p, at), e.load(self.given["g"], at)
            before = {slot: e.load(state, place) for slot, place in slots.items()}
            new, after = self.update.function(
                parameter, g if scale is None else g * scale, before, **numbers
            )
            e.store(alive.where(new, parameter), p, at)
            for slot, place in slots.items():
                e.store(after[slot], state, place)

    def clip(self, most: Lanes) -> Lanes:
        """The factor of the gradient in torch.nn.utils.clip_grad_norm_. most: the largest norm."""
        e = self.e
        squares = e.array(1)
        squares[0] = e.lift(0.0)
        for k in e.loop(self.size, self.a.is_small):
            g = e.load(self.given["g"], e.times(k, e.lanes))
            squares[0] = g.fma(g, squares[0])
        norm = (squares[0].total() if self.a.rows_in_lanes else squares[0]).sqrt()
        return (most / (norm + EPS)).least(1.0)


def _truth(net: Network, target: Array, r: int) -> tuple[list[Lanes], Lanes | None]:
    """The targets in vector `r` of a block, and the weights of these rows, or None."""
    found = net.row(target, net.a.targets, r)
    return (found[:-1], found[-1]) if net.a.weighted else (found, None)


def emit_measure(module: ir.Module, a: Architecture, depth: int) -> None:
    """Emit `measure`, which computes the loss and the accuracy of every unit for a split.

    Its arguments are p, as for `steps`; x, y: (units, blocks, width, depth, lanes); weights: of
    each row in the loss and in the accuracy, (2, blocks, depth, lanes); out: receives both,
    (units, 2, lanes); units and blocks: their numbers.
    """
    arguments = [POINTER] * len(MEASURE_POINTERS) + [INT] * len(MEASURE_NUMBERS)
    e = Emitter(module, "measure", arguments, a.size)
    p, x, y, weights, out, units, blocks = e.function.args
    net = Network(e, a, depth)
    row = depth * e.lanes
    rows = e.times(blocks, row)
    for unit in e.loop(units):
        mine = e.address(p, e.times(unit, vectors(e, a) * e.lanes))
        x_of = e.address(x, e.times(e.times(unit, rows), a.inputs))
        y_of = e.address(y, e.times(e.times(unit, rows), a.targets))
        sums = e.array(2)
        sums[0] = sums[1] = e.lift(0.0)
        for block in e.loop(blocks):
            net.read(x_of, block)
            target = net.given(y_of, block, a.targets)
            net.forward(mine)
            for r in range(depth):
                place = e.add(e.times(block, row), r * e.lanes)
                prediction, (truth, own) = net.prediction(r), _truth(net, target, r)
                part = a.loss.value(prediction, truth)
                part = part if own is None else part * own
                sums[0] = sums[0] + (e.load(weights, place) > 0.0).where(part, 0.0)
                if a.accuracy:
                    weight = e.load(weights, e.add(place, rows))
                    sums[1] = sums[1] + is_right(prediction, truth).where(weight, 0.0)
        # Summed first, then divided, as in torch: the sum may overflow. The first row is real.
        found = [sums[j].total() if a.rows_in_lanes else sums[j] for j in range(2)]
        found[0] = found[0] * e.broadcast(weights, 0)
        for j, value in enumerate(found):
            e.store(value, out, e.add(e.times(unit, 2 * e.lanes), j * e.lanes))
    e.finish()
