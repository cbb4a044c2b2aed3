"""Trains all members of a cohort by one kernel.

Between two logged points the kernel is called once or a few times. Several calls are needed where
tables of coefficients (for Adam's bias corrections, or for a schedule) or shuffled rows would grow
too large.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from small_nets.engines.cohort import Cohort, Rows, Trained, nothing, pad
from small_nets.engines.fused.program import Program, columns, lower
from small_nets.engines.logged_points import Record, metric_names
from small_nets.engines.sharpness import along
from small_nets.engines.snapshot import STATE, Paused, last_epoch

Tick = Callable[[int], None]
# The most numbers in a table of coefficients, or in shuffled rows, and the most steps of a table.
# Tables are made for many steps, because asking torch at each one takes longer than a small step.
TABLE, LAID_OUT, SPAN = 1 << 20, 1 << 18, 4096
COUNTED = 1 << 24  # up to so many steps a float32 counts exactly
TOGETHER = 16  # float64 numbers that torch's vectorised loops take at once
WORK = 2_000_000_000  # multiplications of a call, about; they take some tenths of a second


def train(
    cohort: Cohort, program: Program | None = None, tick: Tick = nothing,
    since: Paused | None = None, until: int | None = None,
) -> Trained:  # fmt: skip
    """Train every member to its end, or to a pause.

    program: what `lower` made for a cohort of the same shapes; None to make it. tick: called with
    the number of epochs done, now and then; its exceptions end training. since, until: see
    `stacked.train.train`. Raises CannotFuse, and ValueError for an impossible `until`.
    """
    with torch.no_grad():
        last = last_epoch(cohort.epochs, since, until)
        training = _Training(cohort, lower(cohort) if program is None else program, since)
        return training.run(tick, last, until is not None)


class _Training:
    """The state of a cohort that is being trained, as the kernel takes it: see `emit_steps`."""

    def __init__(self, cohort: Cohort, program: Program, since: Paused | None) -> None:
        self.cohort, self.program = cohort, program
        start = program.flat.join(cohort.parameters) if since is None else since.parameters
        self.p = program.arrange(start).clone()
        self.units = len(self.p)
        slots = len(program.update.slots)
        self.state = self.p.new_zeros(self.units, max(slots, 1), *self.p.shape[1:])
        self.scratch = self.p.new_zeros(self.p.shape[1] + 1, program.lanes)
        self.running = self.p.new_ones(self.units, program.lanes)
        self.done = torch.zeros_like(self.running)
        self.count = torch.zeros(cohort.size, dtype=torch.int64)
        self.by_row = program.architecture.loss.by_row
        self.places = program.places(cohort.train.count, cohort.batch)
        self.weights = program.weights(self.places.real, self.by_row)
        self.splits = {name: self._split(rows) for name, rows in cohort.splits.items()}
        self.constant = self._constant()
        self.record = Record(cohort, metric_names(cohort), cohort.size, since)
        self.best, self.epoch = self.p, 0
        if since is not None:
            self._go_on(since)

    def _go_on(self, since: Paused) -> None:
        program, found = self.program, since.members
        self.epoch, self.count = since.epoch, found["steps"].clone()
        self.running = program.spread(found["running"]).to(program.dtype)
        for j, slot in enumerate(program.update.slots):
            self.state[:, j] = program.arrange(since.state[slot])
        if self.cohort.stopping is not None:
            self.best = program.arrange(found["kept"])

    def _members(self) -> dict[str, Tensor]:
        """Name -> what the next epoch needs, (members, …)."""
        program, size = self.program, self.cohort.size
        found = {"parameters": self.p}
        found |= {STATE + slot: self.state[:, j] for j, slot in enumerate(program.update.slots)}
        if self.cohort.stopping is not None:
            found["kept"] = self.best
        return {name: program.restore(values, size) for name, values in found.items()} | {
            "running": program.members(self.running, size) > 0.5, "steps": self.count,
        }  # fmt: skip

    def _split(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor, int]:
        """Input, target, weights and number of blocks of a split, for measuring it."""
        program = self.program
        places = program.places(rows.count, rows.count)
        each = [program.weights(places.real, by_row) for by_row in (self.by_row, True)]
        return (
            program.rows(rows.input, places.rows),
            program.targets(rows.target, places.rows, places.real, self.by_row),
            torch.cat(each), places.blocks,
        )  # fmt: skip

    def _constant(self) -> Tensor:
        names = self.program.update.constant
        found = self._numbers(torch.ones(1, 1, dtype=torch.float64))
        if self.cohort.clip is not None:
            found["clip"] = self.cohort.clip
        if not names:
            return self.p
        table = torch.stack([self._of_all(found[name]) for name in names], 1)
        return self.program.spread(table.to(self.program.dtype))

    def _of_all(self, value: Any) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).expand(self.cohort.size)

    def _numbers(self, steps: Tensor, factors: Tensor | None = None) -> dict[str, Any]:
        """The rule's coefficients. Those that vary with the step are (steps, members)."""
        size = self.cohort.size
        # Padded to whole vectors: in torch's remainder loops a power has other bits.
        full = -(-size // TOGETHER) * TOGETHER
        settings = columns({n: pad(v, full) for n, v in self.cohort.settings.items()})
        if factors is not None:
            settings["lr"] = settings["lr"] * factors
        found = self.cohort.rule.coefficients(steps, **settings)
        return {n: v[..., :size] if isinstance(v, Tensor) and v.dim() else v
                for n, v in found.items()}  # fmt: skip

    def _varying(self, first: int, count: int) -> Tensor:
        """Coefficients of `count` steps from `first` on, (units, steps, coefficients, lanes)."""
        names = self.program.update.varying
        if not names:
            return self.p
        schedule, numbers = self.cohort.schedule, range(first, first + count)
        steps = torch.tensor([[i + 1.0] for i in numbers], dtype=torch.float64)
        factors = None
        if schedule is not None:
            factors = torch.tensor([[schedule(i)] for i in numbers], dtype=torch.float64)
        found = self._numbers(steps, factors)
        tables = [
            found[name].expand(count, self.cohort.size).to(self.program.dtype) for name in names
        ]
        return self.program.spread(torch.stack(tables, 1).movedim(2, 0))

    def run(self, tick: Tick, last: int, pauses: bool) -> Trained:
        cohort, each = self.cohort, self.places.batches
        if self.epoch == 0:
            self._log(0)
        rows = self._rows(self.places.rows) if cohort.batching.order is None else ()
        while self.epoch < last and not self.record.is_over:
            to_point = cohort.log_every - self.epoch % cohort.log_every
            epochs = min(to_point, last - self.epoch, self._epochs_a_call())
            if cohort.batching.order is not None:
                rows = self._shuffled(self.epoch, epochs)
            self._advance(*rows, first=self.epoch * each, steps=epochs * each)
            self.epoch += epochs
            if self.epoch % cohort.log_every == 0:
                self._log(self.epoch * each)
            tick(self.epoch)
        if pauses:
            self.record.pause(last, self._members())
        if not self.record.is_over and self.record.points[-1] != self.epoch * each:
            self._log(self.epoch * each)
        return self._finished()

    def _epochs_a_call(self) -> int:
        architecture, size = self.program.architecture, self.cohort.size
        rows = self.places.rows[0].numel()
        steps = min(max(WORK // (rows * architecture.numbers * size), 1), COUNTED)
        if self.cohort.batching.order is not None:
            steps = min(
                steps, LAID_OUT // (rows * (architecture.inputs + architecture.targets) * size)
            )
        if self.program.update.varying:
            numbers = self.units * len(self.program.update.varying) * self.program.lanes
            steps = min(steps, max(TABLE // numbers, 1), SPAN)
        return max(steps // self.places.batches, 1)

    def _rows(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input, target and weight of the rows at these places, of one or several epochs."""
        train, epochs = self.cohort.train, places.shape[-4] // self.places.batches
        x = self.program.rows(train.input, places)
        y = self.program.targets(train.target, places, self.places.real, self.by_row)
        return x, y, self.weights.repeat(epochs, 1, 1, 1)

    def _shuffled(self, first: int, epochs: int) -> tuple[Tensor, Tensor, Tensor]:
        """Input, target and weight of several epochs, each in its own order."""
        order, places = self.cohort.batching.order, self.places.rows
        assert order is not None
        orders = torch.stack([order(epoch) for epoch in range(first, first + epochs)], 1)
        found = orders[:, :, places.flatten()]  # (members, epochs, places of an epoch)
        return self._rows(found.view(len(orders), -1, *places.shape[1:]))

    def _advance(self, x: Tensor, y: Tensor, weights: Tensor, *, first: int, steps: int) -> None:
        self.done.zero_()
        varying = self._varying(first, steps)
        self.program.kernels.steps(
            self.p, self.state, x, y, weights, self.constant, varying, self.running, self.done,
            self.scratch, self.units, steps, self.places.blocks, len(weights),
        )  # fmt: skip
        self.count += self.program.members(self.done, self.cohort.size).long()

    def _log(self, step: int) -> None:
        program, size = self.program, self.cohort.size
        finite = torch.isfinite(program.restore(self.p, size)).all(dim=1)
        running = program.members(self.running, size) > 0.5
        running, better = self.record.add(step, self._measured(step), running, finite)
        self.running = program.spread(running).to(program.dtype)
        if better is not None:
            self.best = torch.where(program.spread(better)[:, None], self.p, self.best)

    def _measured(self, step: int | Tensor) -> list[Tensor]:
        found = []
        for x, y, weights, blocks in self.splits.values():
            out = self.p.new_empty(self.units, 2, self.program.lanes)
            self.program.kernels.measure(self.p, x, y, weights, out, self.units, blocks)
            for i in range(1 + len(self.cohort.measures)):
                found.append(self.program.members(out[:, i], self.cohort.size))
        if self.cohort.has_sharpness:
            vector = self.program.restore(self.p, self.cohort.size)
            found += along(self.cohort, self.program.flat.unjoin(vector), step)
        return found

    def _measured_kept(self) -> list[Tensor]:
        return self._measured(self.record.kept)

    def _finished(self) -> Trained:
        program, cohort = self.program, self.cohort
        if cohort.stopping is not None:
            put_back = program.spread(self.record.restored)[:, None]
            self.p = torch.where(put_back, self.best, self.p)
        parameters = program.flat.unjoin(program.restore(self.p, cohort.size))
        finals = {name: self._final(metric, parameters) for name, metric in cohort.finals.items()}
        return self.record.trained(parameters, self.count, self._measured_kept, finals)

    def _final(self, metric: Any, parameters: dict[str, Tensor]) -> Tensor:
        """A metric of the training split, (members,). It may be any function, so it needs torch."""
        train, targets = self.cohort.train, self.cohort.targets(self.cohort.train)
        return torch.stack([
            metric(
                functional_call(
                    self.cohort.net, {n: p[i] for n, p in parameters.items()}, (train.input[i],)
                ),
                targets[i],
            )
            for i in range(self.cohort.size)
        ])  # fmt: skip
