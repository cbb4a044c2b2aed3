"""What makes one setting better than another: asked by the ranking, the maps and the search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.objective import objective_text, over_seeds
from small_nets.sweep.results.ranking import Ranked, is_better_high
from small_nets.sweep.store.store import Store


@dataclass(frozen=True)
class Standard:
    """How the runs of a setting become the one number that settings are compared by.

    metric: what a search was for; None for a sweep, which is free to choose. objective: "mean" of
    the completed runs, or what a search was for, to which a run that diverged is infinitely bad.
    seeds: runs of each setting of a search; 0 for a sweep.
    """

    metric: str | None = None
    objective: str = "mean"
    seeds: int = 0

    def worth(self, setting: Ranked, metric: str) -> float | None:
        """The number; None for a setting that has none, or that halving stopped."""
        if setting.n == 0 or setting.stopped is not None:
            return None
        if not self.seeds:
            return setting.mean
        if setting.failed:
            return None
        high = is_better_high(metric)
        lost = [-math.inf if high else math.inf] * (self.seeds - setting.n)
        found = over_seeds([*setting.by_seed.values(), *lost], self.objective, high)
        return found if math.isfinite(found) else None

    def best_first(self, ranked: Sequence[Ranked], metric: str) -> list[Ranked]:
        """The settings in order; those without a number last, in the order they come in."""
        sign = -1 if is_better_high(metric) else 1
        worths = [self.worth(setting, metric) for setting in ranked]
        places = sorted(
            range(len(ranked)),
            key=lambda i: (1, 0.0) if (w := worths[i]) is None else (0, sign * w),
        )
        return [ranked[i] for i in places]

    def text(self, metric: str) -> str:
        """The number in words."""
        if self.seeds:
            return objective_text(metric, self.objective, self.seeds)
        return f"{self.objective} {metric}"


def standard_of(store: Store) -> Standard:
    """That of the search in a sweep's directory, or of any sweep where there is none to read."""
    file = store.directory / STUDY
    if not file.exists() or find_spec("optuna") is None:
        return Standard()
    from small_nets.search.journal import NOT_OURS, look_at

    try:
        study, _ = look_at(file)
        about = {} if study is None else study.user_attrs["about"]
        return Standard(
            about["search.metric"], about["search.objective"], int(about["search.seeds"])
        )
    except (InputError, *NOT_OURS):
        return Standard()  # what is wrong with it is said where the search is shown
