"""What a trial is worth over its seeds, and which is best."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.journal import look_at
from small_nets.search.objective import Outcome, judge
from small_nets.search.run_search import run_search
from small_nets.search.summary import best_first
from small_nets.sweep.results.standard import Standard
from tests.conftest import quiet
from tests.search.studies import bowl, open_search, run

LEAST = Standard("val/loss")
METRIC = {False: "val/loss", True: "val/r2"}  # by whether more is better


def test_the_best(tmp_path: Path) -> None:
    assert look_at(tmp_path / STUDY)[0] is None
    for high in (False, True):
        folder = tmp_path / str(high)
        folder.mkdir()
        run(open_search(folder, metric=METRIC[high]), bowl)
        study = look_at(folder / STUDY)[0]
        assert study is not None
        best = best_first(study.trials, high)
        assert best[0].number == study.best_trial.number
        values = [t.value for t in best]
        assert values == sorted(values, reverse=high)  # type: ignore[type-var]


def test_the_loop(tmp_path: Path) -> None:
    """Each trial under the same seeds, all of a batch in one call; Ctrl-C loses none."""
    calls: list[tuple[list[list[str]], int]] = []

    def train(lists: list[list[str]], first: int) -> list[Outcome]:
        if len(calls) == 2:
            calls.append(([], 0))
            raise KeyboardInterrupt
        calls.append((lists, first))
        return [Outcome("completed", float(i % 3), first + i) for i in range(len(lists))]

    more = {"trials": 12, "batch": 5, "seeds": 3, "objective": "mean"}
    with pytest.raises(KeyboardInterrupt):
        run_search(open_search(tmp_path, **more), train, quiet())
    asked = [t for t in open_search(tmp_path, **more).trials if not t.state.is_finished()]
    assert [t.number for t in asked] == [10, 11]
    search = open_search(tmp_path, **more)
    assert run_search(search, train, quiet()) == 0
    assert [(len(lists), first) for lists, first in calls] == [(15, 0), (15, 15), (0, 0), (6, 30)]
    lists, _ = calls[-1]
    assert [o[-1] for o in lists] == ["seed=0", "seed=1", "seed=2"] * 2
    assert lists[0][:-1] == lists[2][:-1] == asked[0].user_attrs["overrides"]
    found = search.trials[11]
    assert found.value == 1.0
    assert found.user_attrs["jobs"] == [33, 34, 35]
    assert found.user_attrs["values"] == [0.0, 1.0, 2.0]
    seconds = [t.user_attrs["seconds"] for t in search.trials]
    assert seconds == sorted(seconds)


def test_failures(tmp_path: Path) -> None:
    def some(lists: list[list[str]], first: int) -> list[Outcome]:
        return [Outcome("failed", None, i, "no such thing") if first + i < 6
                else Outcome("completed", 1.0, i) for i in range(len(lists))]  # fmt: skip

    search = open_search(tmp_path, trials=8, batch=8)
    assert run_search(search, some, quiet()) == 3
    assert [t.state == TrialState.FAIL for t in search.trials] == [True] * 3 + [False] * 5
    (tmp_path / "all").mkdir()

    def every(lists: list[list[str]], first: int) -> list[Outcome]:
        return [Outcome("failed", None, i, "no such thing") for i in range(len(lists))]

    with pytest.raises(InputError, match=r"no such thing\n.all 10 trials fail"):
        run_search(open_search(tmp_path / "all", batch=5), every, quiet())


OUTCOMES: dict[str, tuple[list[float | None], str, bool, tuple[str, float, int]]] = {
    "the median": ([3.0, 1.0, 2.0], "median", False, ("finite", 2.0, 0)),
    "some diverged": ([3.0, 1.0, None], "median", False, ("finite", 3.0, 1)),
    "half diverged": ([3.0, None], "median", False, ("lost", math.inf, 1)),
    "the mean": ([3.0, 1.0, 2.0], "mean", False, ("finite", 2.0, 0)),
    "a mean with one lost": ([3.0, 1.0, None], "mean", False, ("lost", math.inf, 1)),
    "a bound above": ([1.0, 3.0], "bound", False, ("finite", 2 + 12.7062047, 0)),
    "a bound below": ([1.0, 3.0], "bound", True, ("finite", 2 - 12.7062047, 0)),
    "a bound of eight": ([0.0, 1.0] * 4, "bound", False, ("finite", 0.5 + 0.4468722, 0)),
    "a bound with one lost": ([1.0, 3.0, None], "bound", True, ("lost", -math.inf, 1)),
    "a median that should be high": ([0.1, 0.2, None], "median", True, ("finite", 0.1, 1)),
    "one seed": ([7.0], "median", False, ("finite", 7.0, 0)),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_objective(name: str) -> None:
    values, objective, high, wanted = OUTCOMES[name]
    outcomes = [Outcome("completed" if v is not None else "diverged", v, i)
                for i, v in enumerate(values)]  # fmt: skip
    found = judge(outcomes, Standard(METRIC[high], objective))
    assert (found.ended, found.diverged) == (wanted[0], wanted[2])
    assert found.value == pytest.approx(wanted[1])
    assert found.values == tuple(values)
    assert found.jobs == tuple(range(len(values)))


def test_a_run_that_diverged_is_lost_whatever_it_says() -> None:
    runs = [Outcome("diverged", 0.5), Outcome("completed", math.nan), Outcome("completed", 1.0)]
    assert judge(runs, LEAST).values == (None, None, 1.0)


def test_a_failed_run_is_as_bad_as_one_that_diverged() -> None:
    failed, fine = Outcome("failed", None, None, "why"), Outcome("completed", 1.0)
    some = judge([failed, fine, fine], LEAST)
    assert (some.ended, some.value, some.message, some.diverged) == ("finite", 1.0, "why", 1)
    most = judge([failed, failed, fine], LEAST)
    assert (most.ended, most.value) == ("lost", math.inf)
    assert judge([failed, failed], LEAST).ended == "failed"


def test_success() -> None:
    standard = Standard("val/loss", "success")
    outcomes = [Outcome("completed", 1.0, succeeded=yes) for yes in (True, False, True, True)]
    outcomes.append(Outcome("diverged", None, succeeded=False))
    found = judge(outcomes, standard)
    assert (found.ended, found.value, standard.is_high) == ("finite", 0.6, True)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
def test_a_bound_is_on_the_worse_side_of_the_mean(values: list[float]) -> None:
    some = np.array(values)
    mean = Standard("val/loss", "mean").worth(some)
    assert Standard("val/loss", "bound").worth(some) >= mean - 1e-9
    assert Standard("val/r2", "bound").worth(some) <= mean + 1e-9
    assert min(values) <= LEAST.worth(some) <= max(values)
