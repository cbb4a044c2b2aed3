"""What a run is judged by, and when that ends it early. Pure, for one run and for many."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

JUDGED_BY = ("val/loss", "train/loss")


def losses_in(names: Iterable[str]) -> list[str]:
    """The losses among these metrics, before all the one that a run is judged by.

    That is val/loss, or train/loss where a run holds nothing out; [] where there is no target.
    """
    found = set(names)
    return [name for name in JUDGED_BY if name in found]


class Standing(NamedTuple):
    """How a run stands: numbers, or tensors (members,).

    best_step, best_loss: of the best logged point. mark: the loss that patience is counted from.
    since_mark: points since.
    """

    best_step: Any
    best_loss: Any
    mark: Any
    since_mark: Any


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` logged points that improve by no more than `min_delta`."""

    patience: int
    min_delta: float = 0.0

    def after(self, s: Standing, step: int, loss: Any, running: Any = True) -> tuple[Standing, Any]:
        """The standing after a logged point, and whether it is the best one so far.

        running: who still is; the others' best stays.
        """
        better = running & (loss < s.best_loss)
        progress = loss < s.mark - self.min_delta
        return Standing(
            _where(better, step, s.best_step),
            _where(better, loss, s.best_loss),
            _where(running & progress, loss, s.mark),
            _where(progress, 0, s.since_mark + 1),
        ), better

    def ends(self, s: Standing) -> Any:
        """Whether a run has waited long enough."""
        return s.since_mark >= self.patience


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, bool):
        return yes if condition else no
    from torch import where  # to judge runs by their names needs no torch

    return where(condition, yes, no)
