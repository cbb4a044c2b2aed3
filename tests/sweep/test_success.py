"""A run succeeds by its rule, at its end; after how many epochs is in its curve."""

import math
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.commands import report
from small_nets.config.success_rule import Rule, quantile_of, read_rule
from small_nets.config.unquoted_values import in_quotes
from small_nets.sweep.results.success import CONSTANT, EPOCHS, SUCCEEDED, rules_of, with_success
from tests.conftest import Answer, Swept

Sweep = Callable[..., Swept]
XOR = ("+experiment=xor", "trainer.max_epochs=300", "seed=range(6)", "model.width=2,4")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("val/loss<0.001", Rule("val/loss", "<", 0.001)),
        (" train/accuracy >= 1 ", Rule("train/accuracy", ">=", 1.0)),
        ("val/r2/my target>-.5e-1", None),  # a name with a space is not one
        ("val/r2/y>-.5e-1", Rule("val/r2/y", ">", -0.05)),
        ("best/val/loss<=1e-3", Rule("best/val/loss", "<=", 0.001)),
        *((bad, None) for bad in ("", "val/loss", "<1", "val/loss<", "val/loss<x", "a<b<1", "a==1",
                                  "val/loss<1e999", "val/loss<1.2.3", 3, None, True)),
    ],
)  # fmt: skip
def test_reading(text: object, rule: Rule | None) -> None:
    assert read_rule(text) == rule
    if rule is not None:
        assert read_rule(str(rule)) == rule


@given(st.text(max_size=20))
def test_any_text_is_a_rule_or_none(text: str) -> None:
    read_rule(text)
    share = quantile_of(text)
    assert share is None or 0 < share < 1


def test_what_a_shell_leaves_of_it_is_quoted_for_hydra() -> None:
    assert in_quotes("success=val/loss<0.001") == "success='val/loss<0.001'"
    for word in ("success='val/loss<0.001'", "success=null", "description=a<1", "-m"):
        assert in_quotes(word) == word


def test_by_hand(sweep: Sweep) -> None:
    """Beside the tables, run by run: the constant predictor's rule, and one that is typed."""
    done = sweep(*XOR, "success=null")
    store, table = done.store, done.table
    # The constant predictor says 0.5 for every gate: ln 2.
    assert table[CONSTANT].to_list() == pytest.approx([math.log(2)] * 12)
    curves = store.curves()
    for rule, holds in (
        (None, lambda row, loss, _: loss < row[CONSTANT]),
        (Rule("train/accuracy", ">=", 0.75), lambda _, __, accuracy: accuracy >= 0.75),
    ):
        found = with_success(store, table, {None: rule})
        for row in found.iter_rows(named=True):
            points = curves.filter(run_id=row["run_id"]).sort("step")
            every = [(step, holds(row, loss, right)) for step, loss, right in points.select(
                "step", "train/loss", "train/accuracy").iter_rows()]  # fmt: skip
            assert row[SUCCEEDED] == every[-1][1]
            first = next((step for step, yes in every if yes), math.inf)
            assert row[EPOCHS] == (first if row[SUCCEEDED] else math.inf)
    assert found[SUCCEEDED].sum() > 0


def test_whose_rule(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """The experiment's, that of the last command, or the one that is asked for."""
    done = sweep(*XOR)
    assert rules_of(done.store, done.table) == {None: Rule("train/accuracy", ">=", 1.0)}
    assert "success: train/accuracy>=1" in done.text
    again = sweep(*XOR, "success='train/loss<0.6'", "rank_by=success")
    assert "0 runs to train" in again.text  # no number of a run has changed
    assert rules_of(again.store, again.table) == {None: Rule("train/loss", "<", 0.6)}
    assert "Settings by share of runs that succeeded over seeds" in again.text
    directory = str(done.store.directory)
    report.main([directory, "--format", "csv", "--success", "train/loss<100"])
    shown = capsys.readouterr().out
    assert "6 of 6" in shown
    assert "Settings by share of runs" in shown  # as the last command ranked
    runs = pl.read_csv(done.store.directory / "runs.csv")
    assert runs["succeeded"].all()
    assert (runs["epochs_to_success"] == 0).all()


def test_several_experiments_have_rules_of_their_own(sweep: Sweep) -> None:
    done = sweep("+experiment=xor,and_gate", "trainer.max_epochs=50", "seed=0,1")
    rules = rules_of(done.store, done.table)
    assert rules == {"xor": Rule("train/accuracy", ">=", 1.0), "and_gate": None}
    assert not with_success(done.store, done.table, rules)[SUCCEEDED].is_null().any()


def test_lost_runs_never_succeed(sweep: Sweep) -> None:
    done = sweep("+experiment=temperature_linear", "optimizer.lr=0.0001,10", "seed=0,1",
                 "trainer.max_epochs=200")  # fmt: skip
    found = with_success(done.store, done.table, {None: Rule("train/loss", "<", 1e300)})
    by_status = dict(found.group_by("status").agg(pl.col(SUCCEEDED).all()).iter_rows())
    assert by_status == {"completed": True, "diverged": False}
    assert found.filter(status="diverged")[EPOCHS].is_infinite().all()


def test_no_rows_held_out(sweep: Sweep) -> None:
    """A rule of the validation split is then one of the training split."""
    done = sweep("+experiment=sine", "data.val_fraction=0", "trainer.max_epochs=2", "seed=0,1")
    found = with_success(done.store, done.table, rules_of(done.store, done.table))
    assert found[SUCCEEDED].to_list() == [False, False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["success=val/los<1"], "success=val/los<1: val/los is not a metric of temperature_mlp."),
        (["success=foo"], "Allowed: a metric, one of < <= > >=, and a number"),
        (["rank_by=quantile:1.5"], "Allowed: median, mean, success or quantile:Q"),
        (["-m", "seed=0,1", "success=val/accuracy>0.5"], "val/accuracy is not a metric of"),
        (["-m", "seed=0,1", "rank_by=median,mean"], "rank_by applies to the whole sweep"),
        (["-m", "optimizer.lr=0.1,0.2", "sweep.confirm=2"], "Fix: 'seed=range(20)' as well"),
    ],
)
def test_refused(command: Callable[..., Answer], words: list[str], said: str) -> None:
    answer = command("src.train", "+experiment=temperature_mlp", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert not answer.out.strip()


def test_a_single_run_says_it(command: Callable[..., Answer]) -> None:
    said = command("src.train", "+experiment=xor", "model.width=4", "trainer.max_epochs=600",
                   "pictures=none", "success=train/loss<0.69")  # fmt: skip
    assert "success (train/loss<0.69): yes, first at epoch" in said.out
    assert said.out.count("success (") == 1
