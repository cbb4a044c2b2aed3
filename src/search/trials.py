"""A trial's parameters: drawn, and as the overrides that train it."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import Trial

from src.search.present import Present
from src.search.samplers import distribution
from src.search.space import Space


def draw(study: optuna.Study, space: Space, present: Present) -> Trial:
    """A new trial: the choices of groups first, then the settings that there are with them."""
    trial = study.ask({p.name: distribution(p) for p in space.groups})
    chosen = {p.name: trial.params[p.name] for p in space.groups}
    for p in space.parameters:
        if p.is_group or not present.has(p.key, chosen):
            continue
        if p.kind == "choice":
            trial.suggest_categorical(p.name, p.choices)
        elif p.kind == "int":
            trial.suggest_int(p.name, int(p.low), int(p.high), step=int(p.step or 1), log=p.log)
        else:
            trial.suggest_float(p.name, p.low, p.high, step=p.step, log=p.log)
    return trial


def overrides(params: Mapping[str, Any], space: Space, present: Present) -> list[str]:
    """What is typed for a trial, its seed left out.

    Also of what is fixed, a setting is left out where the trial's choices do not have it.
    """
    chosen = {p.name: params[p.name] for p in space.groups}
    fixed = [o for key, o in space.fixed.items() if present.has(key, chosen)]
    return fixed + [f"{p.key}={p.typed(params[p.name])}" for p in space.parameters
                    if p.name in params]  # fmt: skip
