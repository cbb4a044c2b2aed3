"""Records the logged points of a cohort: metrics, divergence, early stopping."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from small_nets.engines.cohort import Cohort, Trained, pad
from small_nets.engines.sharpness import names_along
from small_nets.engines.snapshot import CURVE, Paused
from small_nets.nn.early_stopping import Standing, losses_in

LAST = "last."  # prefix of a metric's last values, (members,)
STANDING = ("kept_step", "best", "mark", "waited")


class Record:
    """Records the logged points of a cohort, for any engine.

    names: of the metrics. lanes: the members with padding. since: the pause to go on from.
    is_over: whether no member still trains.
    """

    def __init__(
        self, cohort: Cohort, names: Sequence[str], lanes: int, since: Paused | None = None
    ) -> None:
        self.cohort, self.names = cohort, list(names)
        self.began, self.before = time.perf_counter(), 0.0
        self.is_over = False
        self.paused: Paused | None = None
        device = cohort.train.input.device
        self.diverged = torch.zeros(lanes, dtype=torch.bool, device=device)
        self.points: list[int] = []
        self.curves: list[list[Tensor]] = []
        self.last: list[Tensor] = []
        kept = torch.full((lanes,), -1, dtype=torch.int64, device=device)
        self._ran = ~self.diverged  # which members still trained after the last point
        whole = torch.full((lanes,), math.inf, dtype=torch.float64, device=device)
        self._standing = Standing(kept, whole, whole.clone(), torch.zeros_like(kept))
        if since is not None:
            self._go_on(since, lanes)

    def _go_on(self, since: Paused, lanes: int) -> None:
        if since.size != self.cohort.size:
            raise ValueError(f"{since.size} members do not go on as {self.cohort.size}")
        device = self.diverged.device
        found = {n: pad(v.to(device), lanes) for n, v in since.members.items()}
        self.diverged, self._ran = found["diverged"], found["ran"]
        self._standing = Standing(*(found[name] for name in STANDING))
        self.last = [found[LAST + name] for name in self.names]
        curves = (found[CURVE + name].unbind(1) for name in self.names)
        self.points, self.curves = list(since.points), [list(p) for p in zip(*curves, strict=True)]
        self.before = float(since.members["seconds"].sum())
        self._see_whether_over()

    def _see_whether_over(self) -> None:
        # Training never ends at the first point: the first step makes the rule's state.
        self.is_over = len(self.points) > 1 and not bool(self._ran.any())

    def pause(self, epoch: int, members: Mapping[str, Tensor]) -> None:
        """Store a pause after `epoch` epochs in `paused`. It adds no logged point.

        members: name -> what the engine needs to go on, (members, …).
        """
        size = self.cohort.size
        curves = self._curves()
        noted = {
            "diverged": self.diverged, "ran": self._ran,
            **dict(zip(STANDING, self._standing, strict=True)),
            "seconds": torch.full((size,), self._seconds() / size, dtype=torch.float64),
            **{LAST + name: values for name, values in zip(self.names, self.last, strict=True)},
            **{CURVE + name: curves[:, i].T for i, name in enumerate(self.names)},
        }  # fmt: skip
        found = {name: values[:size] for name, values in (*members.items(), *noted.items())}
        whole = {
            name: values.cpu().clone(memory_format=torch.contiguous_format)
            for name, values in found.items()
        }
        self.paused = Paused(epoch, list(self.points), whole)

    def _curves(self) -> Tensor:
        """All curves, (points, metrics, members), on the CPU."""
        curves = torch.stack([torch.stack(found) for found in self.curves])
        return curves[..., : self.cohort.size].cpu()

    def _seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def add(
        self, step: int, values: Sequence[Tensor], running: Tensor, finite: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Add a logged point.

        values: each metric, (lanes,). running: a boolean per lane: whether it still trained.
        finite: whether its parameters are finite. Returns two booleans per lane: whether it trains
        on, and whether its parameters are the best so far (None without early stopping).
        """
        found = [value.double() for value in values]
        self.diverged = self.diverged | (self._ran & ~running)
        # The sharpness of a net with finite losses may be infinite.
        for value in found[: len(found) - len(names_along(self.cohort))]:
            finite = finite & torch.isfinite(value)
        self.diverged = self.diverged | (running & ~finite)
        running = running & finite
        self.points.append(step)
        self.curves.append(found)
        # A member that diverged since the last point has its values from where it diverged.
        self.last = found if not self.last else [
            torch.where(self._ran, new, old) for new, old in zip(found, self.last, strict=True)
        ]  # fmt: skip
        better = None
        stopping = self.cohort.stopping
        if stopping is not None:
            loss = found[self.names.index(losses_in(self.names)[0])]
            self._standing, better = stopping.after(self._standing, step, loss, running)
            running = running & ~stopping.ends(self._standing)
        self._ran = running
        self._see_whether_over()
        return running, better

    @property
    def kept(self) -> Tensor:
        """The step of each lane's best point, (lanes,); -1 where there is none."""
        return self._standing.best_step

    @property
    def restored(self) -> Tensor:
        """A boolean per lane: whether its best parameters are restored at the end.

        That includes lanes that diverged later.
        """
        return self.kept >= 0

    def trained(
        self, parameters: dict[str, Tensor], count: Tensor,
        measured: Callable[[], Sequence[Tensor]], finals: Mapping[str, Tensor],
    ) -> Trained:  # fmt: skip
        """The result of the training.

        parameters: name -> (members, *shape), the final ones. count: steps of each lane. measured:
        computes the metrics at these parameters; called where some were restored. finals: name ->
        final measure, (lanes,).
        """
        size, cohort = self.cohort.size, self.cohort
        final = dict(zip(self.names, self.last, strict=True))
        if cohort.stopping is not None:
            best = zip(self.names, measured(), strict=True)
            final = {n: torch.where(self.restored, v.double(), final[n]) for n, v in best}
        final |= {name: value.double() for name, value in finals.items()}
        per_epoch = max(cohort.steps // max(cohort.epochs, 1), 1)
        steps, waited = count[:size].cpu(), (~self._ran & ~self.diverged)[:size].cpu()
        curves = self._curves()
        return Trained(
            parameters=parameters,
            diverged=self.diverged[:size].cpu(),
            steps=steps,
            epochs=steps // per_epoch,
            kept=torch.where(self.restored, self.kept, -1)[:size].cpu(),
            stopped_early=waited & (steps < cohort.steps),
            points=self.points,
            curves={name: curves[:, i] for i, name in enumerate(self.names)},
            last={n: v[:size].cpu() for n, v in zip(self.names, self.last, strict=True)},
            metrics={name: values[:size].cpu() for name, values in final.items()},
            seconds=self._seconds(),
            paused=self.paused,
        )


def metric_names(cohort: Cohort) -> list[str]:
    """The names of a logged point's metrics in order, those of the training split first.

    What is measured of the curvature comes last.
    """
    found = [f"{split}/{name}" for split in cohort.splits for name in ("loss", *cohort.measures)]
    return found + names_along(cohort)
