"""Trains all members of a cohort together, step by step, with torch.

A step computes the gradients of all members by one program, and calls the pure update rule once.
A mask freezes members that diverged or stopped. Between two logged points no value is read back,
so Python never waits for torch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from small_nets.engines.cohort import Cohort, Trained, nothing, pad
from small_nets.engines.logged_points import Record, metric_names
from small_nets.engines.sharpness import along
from small_nets.engines.snapshot import STATE, Paused, last_epoch
from small_nets.engines.stacked.cost import lanes_for, part_sizes
from small_nets.engines.stacked.program import Program, lower

Tick = Callable[[int], None]
CHUNK = 64  # steps whose coefficients are computed at once


def train(
    cohort: Cohort, program: Program | None = None, tick: Tick = nothing,
    lanes: int | None = None, since: Paused | None = None, until: int | None = None,
) -> Trained:  # fmt: skip
    """Train every member to its end, or to a pause.

    - program: what `lower` made for a cohort of the same shapes; None to make it
    - tick: called after each epoch with the number of epochs done; its exceptions end training
    - lanes: the number to which members are padded; None for that of `part_sizes`
    - since: a pause to go on from, with the bits of a training without a pause; the cohort's
      parameters are then not read
    - until: pause after this epoch, and end as if it were the last

    Raises CannotStack, and ValueError for more members than lanes or an impossible `until`.
    """
    program = lower(cohort) if program is None else program
    sizes = part_sizes(cohort, program.compiled)
    lanes = lanes_for(cohort.size, sizes) if lanes is None else lanes
    if lanes < cohort.size:
        raise ValueError(f"{cohort.size} members do not fit into a part of {lanes}")
    with torch.no_grad():
        last = last_epoch(cohort.epochs, since, until)
        return _Training(cohort, program, lanes, since).run(tick, last, until is not None)


class _Training:
    """The state of a cohort that is being trained, in the program's arrangement."""

    def __init__(self, cohort: Cohort, program: Program, lanes: int, since: Paused | None) -> None:
        self.cohort, self.program, self.lanes = cohort, program, lanes
        device = cohort.train.input.device
        self.splits = {
            name: (self._arranged(rows.input), self._arranged(rows.target))
            for name, rows in cohort.splits.items()
        }
        self.settings = {name: self._setting(values) for name, values in cohort.settings.items()}
        self.clip = None if cohort.clip is None else self._arranged(cohort.clip)
        self.numbers: dict[str, Any] = {}
        self.record = Record(cohort, metric_names(cohort), lanes, since)
        self.epoch = self.steps = 0
        self.state: dict[str, Any] = {}
        if since is None:
            self.vector = self._arranged(program.flat.join(cohort.parameters))
            self.best = self.vector
            self.running = torch.ones(lanes, dtype=torch.bool, device=device)
            self.count = torch.zeros(lanes, dtype=torch.int64, device=device)
        else:
            self._go_on(since)

    def _go_on(self, since: Paused) -> None:
        device = self.cohort.train.input.device

        def given(name: str) -> Tensor:
            return self._arranged(since.members[name].to(device))

        self.epoch, self.steps = since.epoch, since.epoch * self.cohort.steps // self.cohort.epochs
        self.vector, self.running, self.count = map(given, ("parameters", "running", "steps"))
        self.best = self.vector if self.cohort.stopping is None else given("kept")
        self.state = {name: given(STATE + name) for name in since.state}

    def _arranged(self, values: Tensor) -> Tensor:
        return self.program.arrange(values, self.lanes)

    def _setting(self, values: Tensor) -> Any:
        if values.dim() == 2:  # betas
            return tuple(self._setting(column) for column in values.unbind(1))
        return self.program.each(self._arranged(values))

    def run(self, tick: Tick, last: int, pauses: bool) -> Trained:
        if self.epoch == 0:
            self._log(0)
        while self.epoch < last and not self.record.is_over:
            for x, y in self._batches(self.epoch):
                self._advance(x, y)
            self.epoch += 1
            if self.epoch % self.cohort.log_every == 0:
                self._log(self.steps)
            tick(self.epoch)
        if pauses:
            self.record.pause(last, self._members())
        if not self.record.is_over and self.record.points[-1] != self.steps:
            self._log(self.steps)
        return self._finished()

    def _members(self) -> dict[str, Tensor]:
        """Name -> what the next epoch needs, (members, …)."""
        found = {"parameters": self.vector, "running": self.running, "steps": self.count}
        found |= {STATE + name: values for name, values in self.state.items()}
        if self.cohort.stopping is not None:
            found["kept"] = self.best
        return {n: self.program.restore(v, self.cohort.size) for n, v in found.items()}

    def _batches(self, epoch: int) -> Any:
        x, y = self.splits["train"]
        size, order = self.cohort.batching.size, self.cohort.batching.order
        if size is None or size >= self.cohort.train.count:
            yield x, y
            return
        rows = 0 if self.program.axis == -1 else 1
        if order is not None:
            # From (members, rows) to the arrangement of x, with an index for each of its columns.
            index = self._arranged(order(epoch).to(x.device))
            index = index[:, None] if rows == 0 else index[:, :, None]
            x = x.gather(rows, index.expand_as(x))
            y = y.gather(rows, index.expand_as(y))
        yield from zip(x.split(size, rows), y.split(size, rows), strict=True)

    def _advance(self, x: Tensor, y: Tensor) -> None:
        place = self.steps % CHUNK
        if place == 0 or not self.numbers:
            self.numbers = self._coefficients(self.steps - place)
        numbers = {
            name: value[place] if isinstance(value, tuple) else value
            for name, value in self.numbers.items()
        }
        # The first step is not compiled: it makes the rule's state, and so has other arguments.
        self.vector, self.state, self.running, self.count = self.program.advance(
            self.cohort.rule,
            *(self.vector, self.state, self.running, self.count, self.clip, x, y, numbers),
            compiled=self.steps > 0,
        )
        self.steps += 1

    def _coefficients(self, first: int) -> dict[str, Any]:
        """The rule's coefficients for the next CHUNK steps: a tuple where they vary with the step.

        Computing them at each step would take a dozen small operations, as long as the step itself.
        """
        settings, schedule = self.settings, self.cohort.schedule
        lr = settings["lr"]
        steps = range(first, min(first + CHUNK, self.cohort.steps))

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=lr.dtype, device=lr.device).reshape(
                -1, *[1] * lr.dim()
            )

        if schedule is not None:
            settings = settings | {"lr": lr * column([schedule(step) for step in steps])}
        found = {
            name: value.to(self.vector.dtype) if isinstance(value, Tensor) else value
            for name, value in self.cohort.rule.coefficients(
                column([step + 1 for step in steps]), **settings
            ).items()
        }
        return {
            name: value.unbind() if isinstance(value, Tensor) and value.dim() > lr.dim() else value
            for name, value in found.items()
        }

    def _log(self, step: int) -> None:
        """Add a logged point. Freeze members that are not finite there, or that stop early."""
        finite = self.program.over_numbers(torch.isfinite(self.vector), torch.all)
        self.running, better = self.record.add(step, self._measured(step), self.running, finite)
        if better is not None:
            self.best = torch.where(self.program.each(better), self.vector, self.best)

    def _measured(self, step: int | Tensor) -> list[Tensor]:
        found = [
            value
            for x, y in self.splits.values()
            for value in self.program.measure(self.vector, x, y)
        ]
        if self.cohort.has_sharpness:
            vector = self.program.restore(self.vector, self.cohort.size)
            curvature = along(self.cohort, self.program.flat.unjoin(vector), step)
            found += [pad(value, self.lanes) for value in curvature]
        return found

    def _measured_kept(self) -> list[Tensor]:
        return self._measured(self.record.kept[: self.cohort.size])

    def _finished(self) -> Trained:
        if self.cohort.stopping is not None:
            put_back = self.program.each(self.record.restored)
            self.vector = torch.where(put_back, self.best, self.vector)
        finals: dict[str, Tensor] = {}
        if self.cohort.finals:
            values = self.program.measure(self.vector, *self.splits["train"], last=True)
            finals = dict(zip(self.cohort.finals, values, strict=True))
        vector = self.program.restore(self.vector, self.cohort.size).cpu()
        return self.record.trained(
            self.program.flat.unjoin(vector), self.count, self._measured_kept, finals
        )
