"""Logged points of a cohort under way: who diverged, who stops early, and what is kept."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from src.engines.cohort import Cohort, Trained


class Record:
    """What an engine notes at each logged point, whatever it computes with.

    names: of the metrics. lanes: members, and padding behind them.
    """

    def __init__(self, cohort: Cohort, names: Sequence[str], lanes: int) -> None:
        self.cohort, self.names = cohort, list(names)
        self.began = time.perf_counter()
        device = cohort.train.input.device
        self.diverged = torch.zeros(lanes, dtype=torch.bool, device=device)
        self.points: list[int] = []
        self.curves: list[list[Tensor]] = []
        self.last: list[Tensor] = []
        self.kept = torch.full((lanes,), -1, dtype=torch.int64, device=device)
        self._ran = ~self.diverged  # after the point before
        whole = torch.full((lanes,), math.inf, dtype=torch.float64, device=device)
        self._best, self._mark = whole, whole.clone()
        self._since = torch.zeros_like(self.kept)

    def add(
        self, step: int, values: Sequence[Tensor], running: Tensor, finite: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Who runs on, and whose parameters are the best so far (None without early stopping).

        values: each metric, (lanes,). running: who still did; finite: whose parameters are.
        """
        found = [value.double() for value in values]
        self.diverged = self.diverged | (self._ran & ~running)
        for value in found:
            finite = finite & torch.isfinite(value)
        self.diverged = self.diverged | (running & ~finite)
        running = running & finite
        self.points.append(step)
        self.curves.append(found)
        # Of a member that fell since the last point, these are the values where it fell.
        self.last = found if not self.last else [
            torch.where(self._ran, new, old) for new, old in zip(found, self.last, strict=True)
        ]  # fmt: skip
        better = None
        if self.cohort.stopping is not None:
            running, better = self._stop(step, running)
        self._ran = running
        return running, better

    def _stop(self, step: int, running: Tensor) -> tuple[Tensor, Tensor]:
        stopping = self.cohort.stopping
        assert stopping is not None
        which = self.names.index("val/loss" if "val/loss" in self.names else "train/loss")
        loss = self.curves[-1][which]
        better = running & (loss < self._best)
        self._best = torch.where(better, loss, self._best)
        self.kept = torch.where(better, step, self.kept)
        progress = loss < self._mark - stopping.min_delta
        self._mark = torch.where(running & progress, loss, self._mark)
        self._since = torch.where(progress, 0, self._since + 1)
        return running & (self._since < stopping.patience), better

    @property
    def restored(self) -> Tensor:
        """Whose best parameters are to be put back at the end, (lanes,)."""
        return (self.kept >= 0) & ~self.diverged

    def trained(
        self, parameters: dict[str, Tensor], count: Tensor,
        measured: Callable[[], Sequence[Tensor]], finals: Mapping[str, Tensor],
    ) -> Trained:  # fmt: skip
        """The end. parameters: (members, *shape). count: steps of each lane.

        measured: the metrics at these parameters, asked for where some were put back.
        """
        size, cohort = self.cohort.size, self.cohort
        final = dict(zip(self.names, self.last, strict=True))
        if cohort.stopping is not None:
            best = zip(self.names, measured(), strict=True)
            final = {n: torch.where(self.restored, v.double(), final[n]) for n, v in best}
        final |= {name: value.double() for name, value in finals.items()}
        per_epoch = max(cohort.steps // max(cohort.epochs, 1), 1)
        steps = count[:size].cpu()
        curves = torch.stack([torch.stack(found) for found in self.curves])[..., :size].cpu()
        return Trained(
            parameters=parameters,
            diverged=self.diverged[:size].cpu(),
            steps=steps,
            epochs=steps // per_epoch,
            kept=torch.where(self.restored, self.kept, -1)[:size].cpu(),
            points=self.points,
            curves={name: curves[:, i] for i, name in enumerate(self.names)},
            last={n: v[:size].cpu() for n, v in zip(self.names, self.last, strict=True)},
            metrics={name: values[:size].cpu() for name, values in final.items()},
            seconds=time.perf_counter() - self.began,
        )


def metric_names(cohort: Cohort) -> list[str]:
    """Of a logged point, in order: those of the training split first."""
    return [f"{split}/{name}" for split in cohort.splits for name in ("loss", *cohort.measures)]
