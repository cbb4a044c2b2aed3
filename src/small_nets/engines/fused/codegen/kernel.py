"""The two functions of a kernel: steps of training, and the losses of a split.

Two ways to fill the vector lanes, and one mathematics. Where a step has few rows, models lie side
by side in the lanes: a unit of work is as many models as there are lanes, a row is the same row of
each, and a parameter is a vector. Where it has many, rows do: a unit is one model, a parameter is
broadcast, and its gradient is summed over the lanes at the end. Which, depends on the number of
rows alone, so that a model's numbers never depend on its company.
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

EPS = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm
STEP_POINTERS = ("p", "state", "x", "y", "weights", "constant", "varying", "running", "done", "g")
STEP_NUMBERS = ("units", "steps", "blocks", "batches")
MEASURE_POINTERS = ("p", "x", "y", "weights", "out")
MEASURE_NUMBERS = ("units", "blocks")


@dataclass(frozen=True)
class Update:
    """An update rule as a kernel takes it.

    function: (parameter, gradient, state, **coefficients) -> new parameter, new state. slots: the
    names of its state. constant, varying: of its coefficients, and "clip" where gradients are
    clipped.
    """

    function: Callable[..., Any]
    slots: tuple[str, ...]
    constant: tuple[str, ...]
    varying: tuple[str, ...]


def emit_steps(module: ir.Module, a: Architecture, update: Update, depth: int) -> None:
    """`steps`: train every unit for some steps.

    p: (units, vectors, lanes), the parameters. state: (units, slots, vectors, lanes). x, y:
    (units, batches, blocks, width, depth, lanes). weights: (batches, blocks, depth, lanes), of
    each row in the loss. constant: (units, coefficients, lanes). varying: (units, steps,
    coefficients, lanes). running: (units, lanes), 1 or 0; done: likewise, steps that were done.
    g: room for a unit's gradient. blocks: of a step; batches: what the steps go through, again and
    again. Who is not finite any more keeps the parameters that gave the loss.
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
    def __init__(
        self, e: Emitter, a: Architecture, update: Update, depth: int, given: dict[str, Any]
    ) -> None:
        self.e, self.a, self.update, self.given = e, a, update, given
        self.net, self.gradient = Network(e, a, depth), Gradient(e, a, given["g"])
        self.size = vectors(e, a)
        self.row = depth * e.lanes

    def part(self, name: str, unit: Any, size: Any) -> Any:
        """Where a unit's numbers begin, in an array of so many a unit."""
        return self.e.address(self.given[name], self.e.times(unit, size))

    def unit(self, unit: Any) -> None:
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
        """The gradient of a batch's loss, to memory; and the loss, or what is finite with it."""
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
        """The loss's gradient for one row of lanes; returns `whole` with its part of the loss."""
        truth, own = _truth(self.net, target, r)
        g, loss = weight if own is None else weight * own, self.a.loss
        self.net.put_row(self.net.back[-1], loss.back(g, prediction, truth), r)
        if loss.is_finite is None:
            # Not weighted: it is to be infinite when torch's sum is, and padding never.
            return whole + (weight > 0.0).where(loss.value(prediction, truth), 0.0)
        finite = reduce(operator.and_, map(loss.is_finite, prediction))
        return whole + finite.where(0.0, float("inf"))

    def advance(self, p: Any, state: Any, numbers: dict[str, Lanes], alive: Any) -> None:
        """One update of every parameter of those who run on."""
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
        """torch.nn.utils.clip_grad_norm_: what a gradient is multiplied by."""
        e = self.e
        squares = e.array(1)
        squares[0] = e.lift(0.0)
        for k in e.loop(self.size, self.a.is_small):
            g = e.load(self.given["g"], e.times(k, e.lanes))
            squares[0] = g.fma(g, squares[0])
        norm = (squares[0].total() if self.a.rows_in_lanes else squares[0]).sqrt()
        return (most / (norm + EPS)).least(1.0)


def _truth(net: Network, target: Array, r: int) -> tuple[list[Lanes], Lanes | None]:
    """The targets of a row of lanes, and the weight behind them, if there is one."""
    found = net.row(target, net.a.targets, r)
    return (found[:-1], found[-1]) if net.a.weighted else (found, None)


def emit_measure(module: ir.Module, a: Architecture, depth: int) -> None:
    """`measure`: the loss and the accuracy of every unit over a split, to out (units, 2, lanes).

    x, y: (units, blocks, width, depth, lanes). weights: (2, blocks, depth, lanes), of each row
    in the loss and in the accuracy.
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
        # The sum first, as torch forms a mean: it may overflow. The first row is no padding.
        found = [sums[j].total() if a.rows_in_lanes else sums[j] for j in range(2)]
        found[0] = found[0] * e.broadcast(weights, 0)
        for j, value in enumerate(found):
            e.store(value, out, e.add(e.times(unit, 2 * e.lanes), j * e.lanes))
    e.finish()
