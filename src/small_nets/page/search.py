"""The study of a search, as its page shows it. Where there is none, nothing."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from small_nets.config.errors import InputError
from small_nets.page.numbers import number, numbers
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from small_nets.system.command_names import install_command

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

MOST = 3_000  # trials on a page: the first ones, when there are more
FEW = 10  # trials, below which no importance can be said
TOP = 5  # trials of which an importance is made, at least


def search(store: Store, notes: list[str]) -> dict[str, Any] | None:
    """What was searched, and every trial, column by column; None where nothing was searched.

    notes: gets a sentence where the study cannot be shown whole.
    """
    file = store.directory / STUDY
    if not file.exists():
        if "study" in store.about:
            store.said.append(f"{file} is missing, and this sweep is a search")
        return None
    if find_spec("optuna") is None:
        notes.append("This sweep is a search, which is not shown: Optuna is not installed "
                     f"({install_command('search')}).")  # fmt: skip
        return None
    from small_nets.search.journal import NOT_OURS, look_at

    try:
        study, said = look_at(file)
        if said is not None:
            store.said.append(said)
        return _of(study, notes)
    except (InputError, *NOT_OURS) as error:
        store.said.append(f"{file} cannot be shown: {error}")
        return None


def _of(study: "Study | None", notes: list[str]) -> dict[str, Any] | None:
    from small_nets.search.summary import best_first, command_of

    told = [] if study is None else [t for t in study.get_trials() if t.state.is_finished()]
    if study is None or not told:
        return None
    if len(told) > MOST:
        notes.append(f"The charts of the search show the first {MOST:,} of {len(told):,} trials.")
    about = study.user_attrs["about"]
    high = about["direction"] == "maximize"
    best = best_first(told, high)
    return {
        "objective": Standard(
            about["search.metric"], about["search.objective"], seeds=int(about["search.seeds"])
        ).text,
        "metric": about["search.metric"],
        "high": high,
        "count": len(told),
        "best": None if not best else {
            "trial": best[0].number, "value": number(best[0].value),
            "command": command_of(best[0], high),
        },
        "parameters": _parameters(told),
        "trials": _trials(told[:MOST]),
        "importance": _importance(study, len(best)),
    }  # fmt: skip


def _parameters(trials: Sequence["FrozenTrial"]) -> list[dict[str, Any]]:
    """Of each: its name, its ends, whether its scale is logarithmic, or its choices."""
    found = {name: d for t in trials for name, d in t.distributions.items()}
    return [
        {
            "name": name, "log": getattr(d, "log", False),
            "choices": list(getattr(d, "choices", [])) or None,
            "ends": [getattr(d, "low", None), getattr(d, "high", None)],
            "conditional": any(name not in t.params for t in trials),
        }
        for name, d in found.items()
    ]  # fmt: skip


def _trials(trials: Sequence["FrozenTrial"]) -> dict[str, Any]:
    names = [p["name"] for p in _parameters(trials)]
    return {
        "number": [t.number for t in trials],
        "value": numbers(t.value for t in trials),
        "state": [t.state.name for t in trials],
        "diverged": [t.user_attrs["diverged"] for t in trials],
        "runs": [len(t.user_attrs["values"]) for t in trials],
        "seconds": numbers(t.user_attrs["seconds"] for t in trials),
        "stopped": [t.last_step for t in trials],  # by halving, after so many epochs
        "reached": numbers(t.intermediate_values.get(t.last_step or 0) for t in trials),
        "params": {name: [t.params.get(name) for t in trials] for name in names},
    }


def _importance(study: "Study", known: int) -> dict[str, Any] | None:
    """Each setting's share in what sets the best trials apart, and how many those are.

    None where too few have a finite objective.
    """
    if known < FEW:
        return None
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    top = max(known // 10, TOP)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=top / known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some choice has a single trial
        shares = get_param_importances(study, evaluator=evaluator)
    return {"top": top, "shares": [[name, number(share)] for name, share in shares.items()]}
