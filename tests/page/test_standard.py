"""The ranking, the map and the search call the same setting best."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState
from rich.console import Console

from small_nets.commands import report
from small_nets.commands.python_api import call
from small_nets.page.contents import contents
from small_nets.page.search import search as section_of
from small_nets.page.standard import Standard, standard_of
from small_nets.search.journal import look_at
from small_nets.search.objective import Outcome, judge
from small_nets.sweep.results.ranking import Ranked, rank
from small_nets.sweep.store.store import Store


def ranked_of(values: list[float | None]) -> Ranked:
    """A setting with a run for each value; None: it diverged."""
    known = [v for v in values if v is not None]
    mean = sum(known) / len(known) if known else math.nan
    lost = len(values) - len(known)
    by_seed: dict[object, float] = {i: v for i, v in enumerate(values) if v is not None}
    return Ranked({"a": 1}, len(known), mean, None, math.nan, None, None, lost, 0, by_seed, None)


OBJECTIVES = ["median", "mean", "bound"]
VALUES = st.lists(st.none() | st.floats(0, 1e6), min_size=2, max_size=9)


@given(
    VALUES, st.sampled_from(["median", "mean", "bound"]), st.sampled_from(["val/loss", "val/r2"])
)
def test_a_setting_is_worth_what_the_search_told_its_sampler(
    values: list[float | None], objective: str, metric: str
) -> None:
    outcomes = [Outcome("diverged" if v is None else "completed", v) for v in values]
    told = judge(outcomes, objective, high=metric == "val/r2")
    worth = Standard(metric, objective, len(values)).worth(ranked_of(values), metric)
    assert worth == (pytest.approx(told.value) if told.ended == "finite" else None)


@given(VALUES)
def test_a_setting_of_a_sweep_is_worth_its_mean_over_completed_runs(
    values: list[float | None],
) -> None:
    known = [v for v in values if v is not None]
    worth = Standard().worth(ranked_of(values), "val/loss")
    assert worth == (pytest.approx(sum(known) / len(known)) if known else None)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A search whose medians and means are ordered otherwise, and where some trials are lost."""
    directory = tmp_path_factory.mktemp("standard") / "search"
    call(
        ["hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=40",
         "optimizer=sgd,momentum", "optimizer.momentum=interval(0.1,0.9)",
         "optimizer.lr=tag(log, interval(1e-4, 1))", "search.trials=24", "search.batch=24",
         "search.seeds=4", "search.sampler=random", f"sweep.dir={directory}",
         "sweep.directories=0"],
        Console(file=io.StringIO()),
    )  # fmt: skip
    return Store(directory)


def test_the_ranking_of_a_search_is_that_of_its_trials(
    searched: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    standard = standard_of(searched)
    assert standard == Standard("val/loss", "median", 4)
    page, _ = contents(searched, searched.read(), "val/loss", standard)
    assert page["standard"] == {"how": "median", "seeds": 4}
    study, _ = look_at(searched.directory / "study.log")
    assert study is not None
    trials = study.get_trials()
    lost = sum(t.state == TrialState.PRUNED for t in trials)
    known = sorted(float(f"{t.value:.6g}") for t in trials if t.value is not None)
    assert [row[8] for row in page["stats"]["val/loss"]] == known + [None] * lost
    assert 0 < lost < len(trials)
    by_mean = [r.setting for r in rank(searched.read(), list(searched.swept), "val/loss")]
    section = section_of(searched, [])
    assert section is not None
    best = study.best_trial
    first = {key["name"]: key["values"][i]
             for key, i in zip(page["keys"], page["settings"][0], strict=True)}  # fmt: skip
    assert first["optimizer.lr"] == pytest.approx(best.params["optimizer.lr"])
    assert section["best"]["trial"] == best.number
    assert len(by_mean) == len(page["settings"])
    report.main([str(searched.directory), "--format", "md"])
    said = capsys.readouterr().out
    assert f"best median val/loss over 4 seeds: {best.value:.6g}" in said
    assert "Settings by mean" not in said
    text = (searched.directory / "report.md").read_text()
    assert "## Settings by median val/loss over 4 seeds" in text
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert f"{best.params['optimizer.lr']:.6g}" in row
