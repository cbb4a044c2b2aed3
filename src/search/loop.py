"""The search itself: ask, train, tell, until all trials are told."""

import time
from collections.abc import Callable, Sequence

from optuna.trial import TrialState
from rich.console import Console

from src.errors import InputError
from src.search.objective import Outcome, judge
from src.search.show import show_progress
from src.search.study import Search

HOPELESS = 10  # trials that fail, and none that does not
# Override lists, and the number of the first -> how each of the runs ended.
Train = Callable[[list[list[str]], int], Sequence[Outcome]]


def run_search(search: Search, train: Train, console: Console) -> int:
    """The number of trials that failed. Raises InputError where all of the first ones did.

    What `train` raises ends the search; the trials that it was given are asked already, and the
    next search in this directory trains them first.
    """
    settings = search.settings
    began = time.perf_counter() - search.seconds
    while asked := search.batch():
        outcomes = train(search.lists(asked), asked[0].number * settings.seeds)
        for place, trial in enumerate(asked):
            runs = outcomes[place * settings.seeds : (place + 1) * settings.seeds]
            verdict = judge(runs, settings.objective, settings.high)
            search.tell(trial.number, verdict, time.perf_counter() - began)
        show_progress(console, search)
        failed = _failed(search)
        if len(failed) == len(search.trials) >= min(HOPELESS, settings.trials):
            raise InputError(f"{failed[0]}\n(all {len(failed)} trials fail; this is the first "
                             "message)\nFix: another space, and another sweep.dir")  # fmt: skip
    return len(_failed(search))


def _failed(search: Search) -> list[str]:
    """The messages of the trials that failed."""
    return [t.user_attrs["message"] for t in search.trials if t.state == TrialState.FAIL]
