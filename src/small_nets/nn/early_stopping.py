"""Early stopping: which loss a run is judged by, and when it ends. For one run and for many."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

JUDGED_BY = ("val/loss", "train/loss")


def losses_in(names: Iterable[str]) -> list[str]:
    """The losses among these metrics; the first one judges a run.

    That is val/loss, or train/loss where no rows are held out. The list is empty without a target.
    """
    found = set(names)
    return [name for name in JUDGED_BY if name in found]


class Standing(NamedTuple):
    """The progress of a run (numbers) or of a cohort (tensors (members,)).

    best_step, best_loss: of the best logged point. mark: the last loss that counted as an
    improvement. since_mark: logged points since then.
    """

    best_step: Any
    best_loss: Any
    mark: Any
    since_mark: Any


@dataclass(frozen=True)
class EarlyStop:
    """Stops after `patience` logged points without an improvement of more than `min_delta`."""

    patience: int
    min_delta: float = 0.0

    def after(self, s: Standing, step: int, loss: Any, running: Any = True) -> tuple[Standing, Any]:
        """The standing after a logged point, and whether the point is the best so far.

        running: which members still train; the others keep their best.
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
        """Whether a run stops now."""
        return s.since_mark >= self.patience


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, bool):
        return yes if condition else no
    from torch import where  # imported here because `losses_in` is used without torch

    return where(condition, yes, no)
