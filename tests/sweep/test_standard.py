"""The ranking, the map, halving and the search call the same setting best."""

import io
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState
from rich.console import Console

from small_nets.commands import report
from small_nets.commands.python_api import call
from small_nets.page.contents import STATISTICS, contents
from small_nets.page.search import search as section_of
from small_nets.page.standard import standard_of
from small_nets.search.journal import look_at
from small_nets.search.objective import Outcome, judge
from small_nets.sweep.halving.rungs import survivors
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import rules_of, with_success
from small_nets.sweep.store.store import Store

VALUES = st.lists(st.none() | st.floats(0, 1e6), min_size=2, max_size=9)
WAYS = st.sampled_from(["median", "mean", "bound", "quantile:0.9", "quantile:.25"])
METRICS = st.sampled_from(["val/loss", "val/r2"])


def table_of(settings: dict[str, list[float | None]], metric: str) -> pl.DataFrame:
    """A runs table; None: the run diverged."""
    rows = [
        {"run_id": f"{name}{seed}", "status": "diverged" if v is None else "completed",
         "seed": seed, "a": name, metric: v}
        for name, values in settings.items() for seed, v in enumerate(values)
    ]  # fmt: skip
    kinds = {metric: pl.Float64, "seed": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=kinds).with_row_index("job")


@given(VALUES, WAYS, METRICS)
def test_a_setting_is_worth_what_the_search_told_its_sampler(
    values: list[float | None], by: str, metric: str
) -> None:
    outcomes = [Outcome("diverged" if v is None else "completed", v) for v in values]
    standard = Standard(metric, by)
    told = judge(outcomes, standard)
    (found,) = rank(table_of({"x": values}, metric), ["a", "seed"], standard)
    assert found.worth == told.value
    assert found.n == len(values)
    assert math.isinf(found.worth) == (told.ended == "lost")


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1), WAYS, METRICS)
def test_halving_ranks_as_the_end_does(
    settings: dict[str, list[float | None]], by: str, metric: str
) -> None:
    standard = Standard(metric, by)
    ranked = rank(table_of(settings, metric), ["a", "seed"], standard)
    values = {name: [math.nan if v is None else v for v in some]
              for name, some in settings.items()}  # fmt: skip
    ahead = survivors(values, 1.0, standard).going
    # Equal ones stay in the order in which each came.
    order = {name: standard.order(r.values) for r in ranked for name in [str(r.setting["a"])]}
    assert [order[name] for name in ahead] == [order[str(r.setting["a"])] for r in ranked]


@given(VALUES)
def test_a_lost_run_is_worse_than_any_number(values: list[float | None]) -> None:
    for metric, worst in (("val/loss", math.inf), ("val/r2", -math.inf)):
        (found,) = rank(table_of({"x": values}, metric), ["a", "seed"], Standard(metric))
        every = [worst if v is None else v for v in values]
        assert found.worth == np.median(every)
        assert (found.mean is None) == (None in values)


def test_survivors_are_not_all() -> None:
    """0.3 has the lower losses among the runs that it did not lose, and loses two in five."""
    table = table_of(
        {"0.05": [1.0 + 0.01 * i for i in range(20)],
         "0.3": [None if i % 5 < 2 else 0.8 + 0.02 * i for i in range(20)]}, "val/loss",
    )  # fmt: skip
    for by in ("median", "mean", "quantile:0.9"):
        first, second = rank(table, ["a", "seed"], Standard("val/loss", by))
        assert (first.setting["a"], second.diverged) == ("0.05", 8)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A search whose medians and means are ordered otherwise, and where some trials are lost."""
    directory = tmp_path_factory.mktemp("standard") / "search"
    call(
        ["hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=40",
         "optimizer=sgd,momentum", "optimizer.momentum=interval(0.1,0.9)",
         "optimizer.lr=tag(log, interval(1e-4, 1))", "search.trials=24", "search.batch=24",
         "search.seeds=4", "search.sampler=random", f"sweep.dir={directory}",
         "sweep.directories=0", "pictures=none"],
        Console(file=io.StringIO()),
    )  # fmt: skip
    return Store(directory)


def test_the_ranking_of_a_search_is_that_of_its_trials(
    searched: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    standard = standard_of(searched, None, None)
    assert standard == Standard("val/loss", "median", None, 4)
    table = searched.read()
    page, *_ = contents(
        searched, with_success(searched, table, rules_of(searched, table)), standard
    )
    assert page["standard"]["how"] == "median"
    assert page["standard"]["seeds"] == 4
    study, _ = look_at(searched.directory / "study.log")
    assert study is not None
    trials = study.get_trials()
    lost = sum(t.state == TrialState.PRUNED for t in trials)
    known = sorted(float(f"{t.value:.6g}") for t in trials if t.value is not None)
    worths = [row[STATISTICS.index("worth")] for row in page["stats"]["val/loss"]]
    assert worths == known + [None] * lost
    assert 0 < lost < len(trials)
    section = section_of(searched, [])
    assert section is not None
    best = study.best_trial
    first = {key["name"]: key["values"][i]
             for key, i in zip(page["keys"], page["settings"][0], strict=True)}  # fmt: skip
    assert first["optimizer.lr"] == pytest.approx(best.params["optimizer.lr"])
    assert section["best"]["trial"] == best.number
    report.main([str(searched.directory), "--format", "md"])
    said = capsys.readouterr().out
    assert "Settings by median val/loss over 4 seeds" in said
    assert "No verdict: the best and the others share 4 seeds, and 5 or more are needed" in said
    text = (searched.directory / "report.md").read_text()
    assert "## Settings by median val/loss over 4 seeds" in text
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert f"{best.params['optimizer.lr']:.6g}" in row
