"""Searches without training: a function of the point is the worth."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from small_nets.search.conditional import ConditionalSpace
from small_nets.search.objective import Outcome, judge
from small_nets.search.space import space_of
from small_nets.search.study import Search, Settings

NUMBERS = (
    "optimizer.lr=tag(log, interval(1e-4, 1))",
    "b=interval(-1,1)",
    "model.width=range(1,64)",
)


Values = Callable[[Mapping[str, Any]], float]


def compose(typed: Sequence[str]) -> Mapping[str, Any]:
    momentum = {"momentum": 0.9} if "optimizer=momentum" in typed else {}
    return {"optimizer": {"lr": 0.1} | momentum, "model": {"width": 1}, "b": 0, "c": 0}


def bowl(params: Mapping[str, Any]) -> float:
    """Least, 0, at a rate of 0.01."""
    return (math.log10(params["optimizer.lr"]) + 2) ** 2 + (params["b"] - 0.3) ** 2 + (
        params["model.width"] / 64 - 0.3) ** 2  # fmt: skip


def open_search(folder: Path, arguments: Sequence[str] = NUMBERS, **more: Any) -> Search:
    space = space_of(arguments, None, {"optimizer"})
    found: dict[str, Any] = {"trials": 48, "batch": 16, "seeds": 2, "objective": "median",
                             "sampler": "tpe", "seed": 0, "metric": "val/loss"}  # fmt: skip
    return Search(folder, ConditionalSpace(space, compose), Settings(**(found | more)), {"x": "1"})


def run(search: Search, value: Values, stop: int | None = None) -> list[FrozenTrial]:
    """Search to the end, or until a trial of that number was told."""
    while asked := search.batch():
        for trial in asked:
            found = value(search.trials[trial.number].params)
            outcome = Outcome("completed" if math.isfinite(found) else "diverged", found, 0)
            verdict = judge([outcome] * 2, search.settings.standard)
            search.tell(trial.number, verdict, 0.0)
            if trial.number == stop:
                return search.trials
    return search.trials
