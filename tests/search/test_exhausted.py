"""A search asks no setting twice, and ends where its space does."""

import math
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from small_nets.search.conditional import ConditionalSpace
from small_nets.search.objective import Outcome, judge
from small_nets.search.proposals import FiniteSpace
from small_nets.search.sampler_limits import LIMITS
from small_nets.search.space import space_of
from small_nets.search.study import Search, Settings
from tests.conftest import Swept

# Arguments -> how many settings there are.
SPACES: dict[tuple[str, ...], int] = {
    ("b=1,2,3", "model.width=range(1,5)"): 12,
    ("optimizer=sgd,adam,momentum", "optimizer.momentum=0.5,0.9,0.99", "b=range(0,1,0.25)"): 20,
    ("optimizer.lr=0.1,0.10,1e-1,1,1.0,2", "c=a,'a',b"): 6,
    ("model.width=tag(log, int(interval(1,8)))", "b=true,false"): 14,
}
WHOLE = ("b=range(1,4)", "model.width=range(1,6)")  # for samplers that take only numbers


def compose(typed: Sequence[str]) -> Mapping[str, Any]:
    momentum = {"momentum": 0.9} if "optimizer=momentum" in typed else {}
    return {"optimizer": {"lr": 0.1} | momentum, "model": {"width": 1}, "b": 0, "c": 0, "d": 0}


def space(arguments: Sequence[str]) -> ConditionalSpace:
    return ConditionalSpace(space_of(arguments, None, {"optimizer"}), compose)


def open_search(folder: Path, arguments: Sequence[str], **more: Any) -> Search:
    folder.mkdir(exist_ok=True)
    found: dict[str, Any] = {"trials": 1000, "batch": 5, "seeds": 2, "objective": "median",
                             "sampler": "tpe", "seed": 0, "metric": "val/loss"}  # fmt: skip
    return Search(folder, space(arguments), Settings(**(found | more)), {"x": "1"})


def run(search: Search, stop: int | None = None) -> list[FrozenTrial]:
    """To the end, or until so many trials are told. Worth: a hash, some of it not finite."""
    while asked := search.batch():
        for trial in asked:
            value = random.Random(str(search.space.overrides(trial.params))).random()
            value = math.inf if value > 0.8 else value
            outcome = Outcome("completed" if math.isfinite(value) else "diverged", value, 0)
            search.tell(trial.number, judge([outcome] * 2, search.settings.standard), 0.0)
            if trial.number == stop:
                break
        else:
            continue
        break
    return search.trials


def typed(search: Search, trials: Sequence[FrozenTrial]) -> list[tuple[str, ...]]:
    return [tuple(search.space.overrides(t.params)) for t in trials]


@pytest.mark.parametrize("arguments", SPACES, ids=" ".join)
def test_every_setting_has_a_number(arguments: tuple[str, ...]) -> None:
    whole = space(arguments)
    found = FiniteSpace.of(whole)
    assert found is not None
    assert found.count == SPACES[arguments]
    each = {tuple(whole.overrides(found.at(i))) for i in range(found.count)}
    assert len(each) == found.count
    assert FiniteSpace.of(space((*arguments, "d=interval(0,1)"))) is None


@pytest.mark.parametrize("sampler", [name for name in LIMITS if name != "gp"])
@pytest.mark.parametrize("arguments", [list(SPACES)[1], WHOLE], ids=" ".join)
def test_it_ends(arguments: tuple[str, ...], sampler: str, tmp_path: Path) -> None:
    if sampler == "cmaes" and arguments != WHOLE:
        arguments = ("b=range(1,3)", "model.width=range(1,4)")  # its space is another size
    search = open_search(tmp_path / "a", arguments, sampler=sampler)
    trials = run(search)
    count = len(trials)
    assert search.finite is not None
    assert count == search.finite.count == search.most
    assert len(set(typed(search, trials))) == count
    assert search.batch() == []
    # Stopped anywhere, within a batch too, it goes on as if it had not been.
    for stop in (count // 2,):
        again = open_search(tmp_path / f"b{stop}", arguments, sampler=sampler)
        run(again, stop)
        del again
        other = open_search(tmp_path / f"b{stop}", arguments, sampler=sampler)
        assert typed(other, run(other)) == typed(search, trials)
    # Asked for more later, it has nothing more.
    assert run(open_search(tmp_path / "a", arguments, sampler=sampler, trials=5000)) == trials


def test_fewer_trials_than_settings(tmp_path: Path) -> None:
    search = open_search(tmp_path, ("b=range(0,100)", "c=range(0,100)"), trials=30)
    assert len(set(typed(search, run(search)))) == 30


def test_a_space_that_is_large_is_not_made(tmp_path: Path) -> None:
    wide = [f"{key}=range(1,1000001)" for key in ("b", "c", "model.width")]
    search = open_search(tmp_path, wide, trials=5)
    assert search.finite is not None
    assert search.finite.count == 10**18
    assert len(run(search)) == 5


def test_a_space_without_an_end_repeats_no_setting_where_it_can(tmp_path: Path) -> None:
    arguments = ("b=interval(0,1)", "c=1,2")
    found = typed(search := open_search(tmp_path, arguments, trials=40), run(search))
    assert len(set(found)) == 40


def test_the_command(sweep: Callable[..., Swept], tmp_path: Path) -> None:
    told = ("hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=4",
            "logger=none", "search.seeds=1", "search.batch=4", "search.trials=50")  # fmt: skip
    space = ("optimizer=sgd,adam", "optimizer.betas=[0.5,0.9],[0.50,0.9],[0.1,0.2]")
    done = sweep(*told, *space)
    assert done.code == 0
    assert "The space has 3 settings" in done.text
    assert "trials: 3 of 3" in done.text
    assert "The space is exhausted" in done.text
    assert len(done.table) == 3
    again = sweep(*told, *space, "search.trials=60")
    assert "3 trials are there already, none to go" in again.text
    assert len(again.table) == 3
    shutil.rmtree(tmp_path / "sweep")
