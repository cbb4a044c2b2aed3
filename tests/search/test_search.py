"""A search from its overrides to its table; killed, stopped, failing."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from optuna.trial import TrialState
from polars.testing import assert_frame_equal

from small_nets import notebook
from small_nets.config.errors import InputError
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.run.outputs.identity import run_id
from small_nets.search.journal import look_at
from small_nets.sweep.store.store import Store
from tests.conftest import ROOT, Answer, plain_run
from tests.search.searched import MLP, RATE, Sweep, trials_of

SMALL = (*MLP, RATE, "optimizer=sgd,momentum", "optimizer.momentum=interval(0.1,0.9)",
         "model.width=int(interval(2,5))", "search.trials=10", "search.batch=4",
         "search.seeds=3")  # fmt: skip


def asked(store: Store) -> list[tuple[dict[str, Any], float | None]]:
    return [(t.params, t.value) for t in trials_of(store)]


def test_a_search(sweep: Sweep) -> None:
    done = sweep(*SMALL)
    assert done.code == 0
    trials, table = trials_of(done.store), done.table
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 10
    assert table["seed"].to_list() == [0, 1, 2] * 10
    for t in trials:
        rows = table.filter(pl.col("job").is_in(t.user_attrs["jobs"]))
        assert t.user_attrs["jobs"] == [3 * t.number + i for i in range(3)]
        assert t.user_attrs["values"] == rows["val/loss"].to_list()
        assert t.value == rows["val/loss"].median()
        assert rows["optimizer.lr"].to_list() == [t.params["optimizer.lr"]] * 3
        assert rows["model.width"].to_list() == [str(t.params["model.width"])] * 3
        there = t.params["optimizer"] == "momentum"
        assert ("optimizer.momentum" in t.params) == there
        assert all(("optimizer.momentum=" in o) == there for o in rows["overrides"])
        assert "search." not in rows["overrides"][0] + str(t.user_attrs["overrides"])
    assert {t.params["optimizer"] for t in trials} == {"sgd", "momentum"}
    row = table.row(7, named=True)
    ending, _ = plain_run(compose_settings(*shlex.split(row["overrides"]))[0])
    assert row["val/loss"] == pytest.approx(ending.curves["val/loss"][-1], rel=1e-4)
    best = min(trials, key=lambda t: float(t.value or 0))
    for words in (
        "Search for the least median val/loss over 3 seeds: 10 trials, 4 at a time, by tpe",
        "trials: 4 of 10, best so far", "trials: 10 of 10", "30 runs: 30 completed",
        "Best settings by median val/loss over 3 seeds", f"{best.value:.6g}",
        f"optuna-dashboard {done.store.directory}/{STUDY}",
    ):  # fmt: skip
        assert words in done.text
    (command,) = re.findall(r"best run alone: +python -m src.train (.*)", done.text)
    run = table.filter(run_id=run_id(compose_settings(*shlex.split(command))[0]))
    assert run["val/loss"].to_list() == [min(best.user_attrs["values"])]

    again = sweep(*SMALL, "sweep.verify=2")  # of the runs of this command, of which there are none
    assert "10 trials are there already, none to go" in again.text
    assert_frame_equal(again.table, table)
    more = sweep(*SMALL, "search.trials=13", "search.sampler=random", "search.batch=3")
    assert len(more.table) == 39
    assert asked(more.store)[:10] == [(t.params, t.value) for t in trials]


def test_what_a_search_is_told_changes_no_run() -> None:
    plain = compose_settings("+experiment=sine")[0]
    other = compose_settings("+experiment=sine", "search.trials=7", "search.sampler=gp")[0]
    assert other["search"]["trials"] == 7
    assert run_id(plain) == run_id(other)


@pytest.mark.more
def test_a_killed_search_goes_on(
    sweep: Sweep, command: Callable[..., Answer], tmp_path: Path
) -> None:
    """SIGKILL in the second batch; then the trials and the table of an undisturbed search."""
    wanted = sweep(*SMALL)
    arguments = [sys.executable, "-m", "src.train", "-m", *SMALL, "pictures=none",
                 "sweep.dir=killed"]  # fmt: skip
    process = subprocess.Popen(
        arguments, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    journal = tmp_path / "killed" / STUDY
    began = time.monotonic()
    # The fifth trial is asked when the first four are told.
    while not journal.exists() or journal.read_bytes().count(b'"op_code":4,') < 5:
        assert process.poll() is None
        assert time.monotonic() - began < 120
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = command("src.train", *arguments[3:])
    assert done.code == 0, done.err
    assert "trials are there already" in done.out
    store = Store(tmp_path / "killed")
    assert asked(store) == asked(wanted.store)
    assert_frame_equal(store.read().drop("seconds"), wanted.table.drop("seconds"))


@pytest.mark.more
def test_ctrl_c(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sweep(*SMALL)
    from small_nets.sweep.session import Session

    train, count = Session.train, iter(range(10))

    def interrupted(self: Session, planned: Any) -> int:
        if next(count) == 1:
            raise KeyboardInterrupt
        return train(self, planned)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "train", interrupted)
        stopped = sweep(*SMALL, to="other")
    assert stopped.code == 130
    assert "interrupted: 12 runs are stored" in stopped.text
    again = sweep(*SMALL, to="other")
    assert "4 trials are there already, 6 to go" in again.text
    assert asked(again.store) == asked(wanted.store)


def test_runs_that_diverge(sweep: Sweep) -> None:
    done = sweep("hydra/sweeper=search", "+experiment=temperature_linear", "search.trials=12",
                 "optimizer.lr=tag(log, interval(1e-3, 10))", "search.seeds=2",
                 "search.objective=bound", "trainer.max_epochs=30")  # fmt: skip
    trials = trials_of(done.store)
    lost = [t for t in trials if t.state == TrialState.PRUNED]
    assert 0 < len(lost) < 12
    assert f"{len(lost)} without a finite objective" in done.text
    for t in trials:
        rows = done.table.filter(pl.col("job").is_in(t.user_attrs["jobs"]))
        assert t.user_attrs["diverged"] == (rows["status"] == "diverged").sum()
        if t.value is not None:
            values = rows["val/loss"].to_numpy()
            wide = 12.7062047 * values.std(ddof=1) / np.sqrt(2)
            assert t.value == pytest.approx(values.mean() + wide)


def test_a_metric_that_should_be_high(sweep: Sweep) -> None:
    done = sweep("hydra/sweeper=search", "+experiment=xor", "model.width=range(1,6)",
                 "trainer.max_epochs=100", "search.trials=5", "search.seeds=2",
                 "search.metric=train/accuracy", "search.objective=mean",
                 "search.sampler=cmaes")  # fmt: skip
    trials = trials_of(done.store)
    accuracy = dict(done.table.group_by("job").agg(pl.col("train/accuracy").first()).iter_rows())
    for t in trials:
        assert t.value == np.mean([accuracy[job] for job in t.user_attrs["jobs"]])
    study = look_at(done.store.directory / STUDY)[0]
    assert study is not None
    assert study.best_value == max(float(t.value or 0) for t in trials)
    assert "Search for the greatest mean train/accuracy over 2 seeds" in done.text


@pytest.mark.more
def test_some_trials_fail(sweep: Sweep) -> None:
    """loss=bce takes probabilities: with tanh at the end there is no such run."""
    done = sweep(*MLP, "loss=mse,bce", RATE, "search.trials=6", "search.seeds=2",
                 "search.sampler=random", "search.batch=1")  # fmt: skip
    assert done.code == 1
    failed = [t for t in trials_of(done.store) if t.state == TrialState.FAIL]
    assert {t.params["loss"] for t in failed} == {"bce"}
    assert "bce takes probabilities" in failed[0].user_attrs["message"]
    assert f"{len(failed)} failed" in done.text
    assert "best run alone:" in done.text


def test_dry_run(sweep: Sweep) -> None:
    done = sweep(*SMALL, "sweep.dry_run=true")
    assert done.code == 0
    assert "12 runs to train" in done.text
    assert "optimizer.momentum  float from 0.1 to 0.9" in done.text
    assert not done.store.directory.exists()
    sweep(*SMALL, "search.trials=4")
    before = (done.store.directory / STUDY).read_bytes()
    assert "4 trials are there already, 6 to go" in sweep(*SMALL, "sweep.dry_run=true").text
    assert (done.store.directory / STUDY).read_bytes() == before


def test_a_stopped_search(sweep: Sweep) -> None:
    done = sweep(*MLP, "loss=mse,bce", RATE, "search.trials=6", "search.seeds=2",
                 "sweep.fail_fast=true")  # fmt: skip
    assert done.code == 1
    assert "stopped at the first run that failed" in done.text
    assert all(t.state == TrialState.RUNNING for t in trials_of(done.store))


def test_in_a_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = notebook.sweep(*SMALL, "search.trials=3", f"sweep.dir={tmp_path / 'out'}")
    assert len(table) == 9
    assert len(trials_of(Store(tmp_path / "out"))) == 3
    assert "9 completed" in capsys.readouterr().out


def test_fresh_seeds(sweep: Sweep) -> None:
    """Each batch has the next seeds, also where the search goes on after it stopped."""
    words = (*MLP, RATE, "search.batch=2", "search.seeds=3", "search.fresh_seeds=true")
    done = sweep(*words, "search.trials=4")
    found = done.table.group_by("optimizer.lr").agg(pl.col("seed").sort())["seed"].to_list()
    assert sorted(found) == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]
    more = sweep(*words, "search.trials=5")
    assert sorted(set(more.table["seed"])) == [*range(9)]
    with pytest.raises(InputError, match="a search of something else"):
        sweep(*words[:-1], "search.trials=6")
    with pytest.raises(InputError, match="ranks trials among each other"):
        sweep(*words, "search.sampler=cmaes", to="other")
