"""Training all members of a cohort together, step by step, with torch.

One step advances every member that still runs: gradients of all members from one program,
one call of the pure update rule, and a mask that freezes whoever diverged or stopped. Nothing
is read back between two logged points, so torch is never waited for.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from src.engines.cohort import Cohort, Trained, nothing
from src.engines.program import Program, lower
from src.engines.shapes import lanes_for, part_sizes

Tick = Callable[[int], None]
CHUNK = 64  # steps whose coefficients are computed at once


def train(
    cohort: Cohort, program: Program | None = None, tick: Tick = nothing, lanes: int | None = None
) -> Trained:
    """Train every member to its end.

    program: as `lower` made it for a cohort of the same shapes. tick: called after each epoch
    with its number; what it raises ends the training. lanes: members and padding; None for
    what `part_sizes` makes of them. Raises CannotStack, ValueError for more than fit.
    """
    program = lower(cohort) if program is None else program
    sizes = part_sizes(cohort, program.compiled)
    lanes = lanes_for(cohort.size, sizes) if lanes is None else lanes
    if lanes < cohort.size:
        raise ValueError(f"{cohort.size} members do not fit into a part of {lanes}")
    with torch.no_grad():
        return _Training(cohort, program, lanes).run(tick)


class _Training:
    """The state of a cohort under way; tensors of members are as the program arranges them."""

    def __init__(self, cohort: Cohort, program: Program, lanes: int) -> None:
        self.cohort, self.program, self.lanes = cohort, program, lanes
        device = cohort.train.input.device
        self.vector = self._arranged(program.flat.join(cohort.parameters))
        self.splits = {
            name: (self._arranged(rows.input), self._arranged(rows.target))
            for name, rows in cohort.splits.items()
        }
        self.settings = {name: self._setting(values) for name, values in cohort.settings.items()}
        self.clip = None if cohort.clip is None else self._arranged(cohort.clip)
        self.state: dict[str, Any] = {}
        self.running = torch.ones(lanes, dtype=torch.bool, device=device)
        self.diverged = torch.zeros_like(self.running)
        self.count = torch.zeros(lanes, dtype=torch.int64, device=device)
        self.points: list[int] = []
        self.curves: list[list[Tensor]] = []
        self.last: list[Tensor] = []
        whole = torch.full((lanes,), math.inf, dtype=torch.float64, device=device)
        self.best, self.mark = whole, whole.clone()
        self.kept = torch.full_like(self.count, -1)
        self.since = torch.zeros_like(self.count)
        self.best_vector = self.vector

    def _arranged(self, values: Tensor) -> Tensor:
        return self.program.arrange(values, self.lanes)

    def _setting(self, values: Tensor) -> Any:
        if values.dim() == 2:  # betas
            return tuple(self._setting(column) for column in values.unbind(1))
        return self.program.each(self._arranged(values))

    def run(self, tick: Tick) -> Trained:
        began = time.perf_counter()
        self._record(0)
        steps = 0
        for epoch in range(self.cohort.epochs):
            for x, y in self._batches(epoch):
                self._advance(x, y, steps)
                steps += 1
            if (epoch + 1) % self.cohort.log_every == 0:
                self._record(steps)
                if not bool(self.running.any()):
                    break
            tick(epoch + 1)
        if self.points[-1] != steps:
            self._record(steps)
        return self._finished(began)

    def _batches(self, epoch: int) -> Any:
        x, y = self.splits["train"]
        size, order = self.cohort.batching.size, self.cohort.batching.order
        if size is None or size >= self.cohort.train.count:
            yield x, y
            return
        rows = 0 if self.program.axis == -1 else 1
        if order is not None:
            # (members, rows) to the arrangement of x, one index for each of its columns.
            index = self._arranged(order(epoch).to(x.device))
            index = index[:, None] if rows == 0 else index[:, :, None]
            x = x.gather(rows, index.expand_as(x))
            y = y.gather(rows, index.expand_as(y))
        yield from zip(x.split(size, rows), y.split(size, rows), strict=True)

    def _advance(self, x: Tensor, y: Tensor, step: int) -> None:
        if step % CHUNK == 0:
            self.numbers = self._coefficients(step)
        numbers = {
            name: value[step % CHUNK] if isinstance(value, tuple) else value
            for name, value in self.numbers.items()
        }
        # The first step makes the rule's state, and so has another signature: not compiled.
        self.vector, self.state, self.running, self.count = self.program.advance(
            self.cohort.rule,
            *(self.vector, self.state, self.running, self.count, self.clip, x, y, numbers),
            compiled=step > 0,
        )

    def _coefficients(self, first: int) -> dict[str, Any]:
        """The rule's numbers for the next CHUNK steps: a tuple where they change with the step.

        Not step by step, where a dozen small operations take as long as the step itself.
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

    def _record(self, step: int) -> None:
        """Add a logged point; freeze whoever is not finite there, or has waited long enough."""
        was_running = self.running if not self.points else self.was_running
        self.diverged = self.diverged | (was_running & ~self.running)
        found = self._measured()
        finite = self.program.over_numbers(torch.isfinite(self.vector), torch.all)
        for values in found:
            finite = finite & torch.isfinite(values)
        self.diverged = self.diverged | (self.running & ~finite)
        self.running = self.running & finite
        self.points.append(step)
        self.curves.append(found)
        # Of a member that fell since the last point, these are the values where it fell.
        self.last = found if not self.last else [
            torch.where(was_running, new, old)
            for new, old in zip(found, self.last, strict=True)
        ]  # fmt: skip
        if self.cohort.stopping is not None:
            self._remember_best(step)
        self.was_running = self.running

    def _measured(self) -> list[Tensor]:
        return [
            values.double()
            for x, y in self.splits.values()
            for values in self.program.measure(self.vector, x, y)
        ]

    @property
    def names(self) -> list[str]:
        """Of the metrics, in the order of `_measured`."""
        return [
            f"{split}/{name}" for split in self.splits for name in ("loss", *self.cohort.measures)
        ]

    def _remember_best(self, step: int) -> None:
        stopping = self.cohort.stopping
        assert stopping is not None
        names = self.names
        which = names.index("val/loss" if "val/loss" in names else "train/loss")
        loss = self.curves[-1][which]
        better = self.running & (loss < self.best)
        self.best = torch.where(better, loss, self.best)
        self.kept = torch.where(better, step, self.kept)
        self.best_vector = torch.where(self.program.each(better), self.vector, self.best_vector)
        progress = loss < self.mark - stopping.min_delta
        self.mark = torch.where(self.running & progress, loss, self.mark)
        self.since = torch.where(progress, 0, self.since + 1)
        self.running = self.running & (self.since < stopping.patience)

    def _finished(self, began: float) -> Trained:
        kept = torch.where(self.diverged, -1, self.kept)
        final = dict(zip(self.names, self.last, strict=True))
        if self.cohort.stopping is not None:
            self.vector = torch.where(self.program.each(kept >= 0), self.best_vector, self.vector)
            best = dict(zip(self.names, self._measured(), strict=True))
            final = {name: torch.where(kept >= 0, best[name], v) for name, v in final.items()}
        if self.cohort.finals:
            values = self.program.measure(self.vector, *self.splits["train"], last=True)
            final |= {n: v.double() for n, v in zip(self.cohort.finals, values, strict=True)}
        size = self.cohort.size
        per_epoch = max(self.cohort.steps // max(self.cohort.epochs, 1), 1)
        steps = self.count[:size].cpu()
        curves = torch.stack([torch.stack(found) for found in self.curves])[..., :size].cpu()
        return Trained(
            parameters=self.program.flat.unjoin(self.program.restore(self.vector, size).cpu()),
            diverged=self.diverged[:size].cpu(),
            steps=steps,
            epochs=steps // per_epoch,
            kept=kept[:size].cpu(),
            points=self.points,
            curves={name: curves[:, i] for i, name in enumerate(self.names)},
            last={n: v[:size].cpu() for n, v in zip(self.names, self.last, strict=True)},
            metrics={name: values[:size].cpu() for name, values in final.items()},
            seconds=time.perf_counter() - began,
        )
