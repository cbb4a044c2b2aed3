"""hydra/sweeper=search: a small search by the command and in this process, and its page."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from optuna.trial import FrozenTrial, TrialState
from playwright.sync_api import Browser, Page, expect
from polars.testing import assert_frame_equal
from rich.console import Console

from small_nets import notebook
from small_nets.commands import report
from small_nets.commands.python_api import call
from small_nets.config.errors import InputError
from small_nets.page.search import search as section_of
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.run.outputs.result import run_id
from small_nets.search.journal import look_at
from small_nets.sweep.store.store import Store
from small_nets.system.command_names import install_command
from tests.browser import open_page, start_browser
from tests.conftest import ROOT, Answer, Swept, plain_run

Sweep = Callable[..., Swept]
MLP = ("hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=20",
       "logger=none")  # fmt: skip
RATE = "optimizer.lr=tag(log, interval(1e-4, 1e-1))"
SMALL = (*MLP, RATE, "optimizer=sgd,momentum", "optimizer.momentum=interval(0.1,0.9)",
         "model.width=int(interval(2,5))", "search.trials=10", "search.batch=4",
         "search.seeds=3")  # fmt: skip


def trials_of(store: Store) -> list[FrozenTrial]:
    study = look_at(store.directory / STUDY)[0]
    assert study is not None
    return study.trials


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


def test_a_killed_search_goes_on(
    sweep: Sweep, command: Callable[..., Answer], tmp_path: Path
) -> None:
    """SIGKILL in the second batch; then the trials and the table of an undisturbed search."""
    wanted = sweep(*SMALL)
    arguments = [sys.executable, "-m", "src.train", "-m", *SMALL, "sweep.dir=killed"]
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


REFUSED: dict[tuple[str, ...], tuple[str, ...]] = {
    (RATE, "search.batch=0"): ("search.batch=0 is not allowed", "1 or more"),
    (RATE, "search.trials=ten"): ("search.trials=ten",),
    (RATE, "search.objective=modian"): ("Did you mean median?",),
    (RATE, "search.sampler=tpa"): ("tpe, random, qmc, cmaes, gp", "Did you mean tpe?"),
    (RATE, "search.seed=-1"): ("search.seed=-1",),
    (RATE, "search.trails=5"): ("search.trails does not exist", "Did you mean trials?"),
    (RATE, "search.metric=val/los"): ("not a metric of these runs", "Did you mean val/loss?"),
    (RATE, "search.objective=bound", "search.seeds=1"): ("needs the spread over seeds",),
    (RATE, "hydra.sweeper.max_batch_size=4"): ("Fix: search.batch=64",),
    (RATE, "hydra/launcher=basic"): ("Fix: without hydra/launcher",),
    (RATE, "search.trials=1000"): ("are 8,000 runs", "Fix: sweep.max_runs=8000"),
    (RATE, "seed=1,2"): ("seeds are not searched",),
    (RATE, "+sweep=seeds"): ("seed=range(20)", "seeds are not searched"),
    ("optimizer.lr=0.1",): ("nothing to search",),
    ("optimizer.lr=interval(-1,1)",): ("optimizer.lr=-1", "from 0"),
    ("optimizer=sgd,adamm",): ("optimizer=adamm does not exist", "Did you mean adam?"),
    ("optimizer.momentum=interval(0,1)",): (
        "optimizer=sgd",
        "optimizer=momentum|momentum_by_hand, which state it",
    ),
    ("optimizer=sgd,adam", "optimizer.momentum=interval(0,1)"): ("optimizer=sgd|adam",),
    (RATE, "optimizer=sgd,adam", "search.sampler=cmaes"): ("cmaes cannot search optimizer",),
    ("lr=interval(0,1)",): ("lr does not exist", "Did you mean optimizer.lr?"),
    (RATE, "loss=bce"): ("bce takes probabilities",),
    (RATE, "data.batch_size=500"): ("data.batch_size=500", "9 rows"),
    (RATE, "sweep.dir=one,two"): ("the whole search",),
    (RATE, "sweep.halving={first: 20}"): ("all have ended by then",),
}


@pytest.mark.parametrize("overrides", REFUSED, ids=" ".join)
def test_refused(overrides: tuple[str, ...], tmp_path: Path) -> None:
    """Before any work, and nothing is written."""
    with pytest.raises(InputError) as caught:
        call([*MLP, f"sweep.dir={tmp_path / 'out'}", "sweep.max_runs=5000", *overrides],
             Console(file=io.StringIO()))  # fmt: skip
    for words in REFUSED[overrides]:
        assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_refused_in_a_foreign_directory(sweep: Sweep) -> None:
    """Of another sweep, of a run, or of another search: they stay as they were."""
    done = sweep("+experiment=sine", "trainer.max_epochs=2", "seed=0,1", "logger=none")
    searched = sweep(*MLP, RATE, "search.trials=2", "search.seeds=1", to="searched").store.directory
    whole = done.store.directory
    other = "holds a search of something else"
    for place, more, words in (
        (whole, (), "holds a sweep of sine"),
        (whole / "0", (), "is the directory of a single run"),
        (searched, ("model.width=2,3",), other),
        (searched, ("model.width=2,3", "sweep.dry_run=true"), other),
    ):
        before = content(place)
        with pytest.raises(InputError) as caught:
            sweep(*MLP, RATE, *more, to=str(place))
        assert f"sweep.dir={place} {words}" in str(caught.value)
        assert content(place) == before


def content(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_no_target(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to search for"):
        call(["hydra/sweeper=search", "+experiment=weather", "model.outputs=1,2",
              f"sweep.dir={tmp_path / 'out'}"], Console(file=io.StringIO()))  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("+experiment=sine", "search.trials=3"), ("search.trials=3", "-m hydra/sweeper=search")),
        (("+experiment=sine", "hydra/sweeper=search"), ("this is a single run",)),
        (("-m", "+experiment=sine", "seed=1,2", "search.trials=3"), ("Fix: hydra/sweeper=search",)),
        (("-m", *MLP, "optimizer.lr=interval(1,0)"), ("the low end is not below",)),
        (("-m", "hydra/sweeper=search", RATE), ("No experiment was chosen",)),
    ],
)  # fmt: skip
def test_the_command_refuses(
    arguments: tuple[str, ...], words: tuple[str, ...], command: Callable[..., Answer],
    tmp_path: Path,
) -> None:  # fmt: skip
    answer = command("src.train", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Error: ")
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err
    assert not any(p.name != "outputs" or any(p.iterdir()) for p in tmp_path.iterdir())


def test_in_a_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = notebook.sweep(*SMALL, "search.trials=3", f"sweep.dir={tmp_path / 'out'}")
    assert len(table) == 9
    assert len(trials_of(Store(tmp_path / "out"))) == 3
    assert "9 completed" in capsys.readouterr().out


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A search with choices, conditions, log axes, and trials that are lost."""
    directory = tmp_path_factory.mktemp("page") / "search"
    call(
        ["hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=60",
         "optimizer=sgd,momentum", "optimizer.momentum=interval(0.1,0.9)",
         "optimizer.lr=tag(log, interval(1e-4, 1e3))", "model.width=2,[3,3]",
         "model.activation=identity,tanh", "search.trials=40", "search.batch=20",
         "search.seeds=2", f"sweep.dir={directory}", "sweep.directories=0"],
        Console(file=io.StringIO()),
    )  # fmt: skip
    report.main([str(directory)])
    return Store(directory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as found:
        yield found


def test_the_numbers_of_its_page(found: Store) -> None:
    notes: list[str] = []
    section = section_of(found, notes)
    assert section is not None
    assert notes == []
    trials, shown = trials_of(found), section["trials"]
    assert shown["number"] == [t.number for t in trials]
    assert shown["value"] == [t.value and float(f"{t.value:.6g}") for t in trials]
    assert shown["diverged"] == [t.user_attrs["diverged"] for t in trials]
    assert shown["params"]["optimizer.lr"] == [t.params["optimizer.lr"] for t in trials]
    parameters = {p["name"]: p for p in section["parameters"]}
    assert [name for name, p in parameters.items() if p["conditional"]] == ["optimizer.momentum"]
    assert parameters["optimizer.lr"]["log"]
    assert parameters["model.width"]["choices"] == ["2", "[3,3]"]
    assert sum(share for _, share in section["importance"]["shares"]) == pytest.approx(1)
    assert section["importance"]["top"] == 5
    assert (
        section["best"]["trial"]
        == min((t for t in trials if t.value is not None), key=lambda t: float(t.value or 0)).number
    )
    json.dumps(section, allow_nan=False)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_its_page_in_a_browser(browser: Browser, found: Store, width: int, dark: bool) -> None:
    trials = trials_of(found)
    lost = sum(t.state == TrialState.PRUNED for t in trials)
    assert lost > 0
    address = (found.directory / "report.html").as_uri()
    with open_page(browser, address, width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        expect(page.locator("#search-text")).to_contain_text("40 trials, for the least median")
        expect(page.locator("#search-best code")).to_contain_text("python -m src.train")
        crosses = page.locator("#progress .scatterlayer .trace").nth(1).locator("path.point")
        expect(crosses).to_have_count(lost)
        label = page.locator("#progress .chart").get_attribute("aria-label") or ""
        assert f"{lost} trial" in label
        page.select_option("#search-x", "seconds")
        expect(page.locator("#progress")).to_contain_text("seconds since the search began")
        expect(page.locator("#importance .bars path")).to_have_count(5)
        expect(page.locator("#importance")).to_contain_text(
            "optimizer.momentum: judged over the trials that have it"
        )
        expect(page.locator("#coordinates")).to_contain_text("not finite")
        lines = page.locator("#coordinates .scatterlayer .trace")
        expect(lines).to_have_count(4)
        no_overlap(page, "#coordinates .annotation-text-g")
        no_overlap(page, "#coordinates .xaxislayer-above .xtick text")
        no_overlap(page, "#progress .xtick text")


def test_a_sweep_has_no_such_section(sweep: Sweep, browser: Browser) -> None:
    store = sweep("+experiment=xor", "seed=0,1", "trainer.max_epochs=3").store
    report.main([str(store.directory)])
    with open_page(browser, (store.directory / "report.html").as_uri()) as page:
        expect(page.locator("#search")).to_have_count(0)
        expect(page.locator("#contents")).not_to_contain_text("Search")


def test_a_page_without_optuna(found: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("small_nets.page.search.find_spec", lambda name: None)
    notes: list[str] = []
    assert section_of(found, notes) is None
    assert install_command("search") in notes[0]


def no_overlap(page: Page, where: str) -> None:
    """No two of these texts lie on each other."""
    boxes = page.locator(where).evaluate_all(
        "nodes => nodes.map(n => { const b = n.getBoundingClientRect();"
        " return [b.left, b.top, b.right, b.bottom, n.textContent]; })"
    )
    assert len(boxes) > 2
    for i, (left, top, right, bottom, text) in enumerate(boxes):
        for other in boxes[:i]:
            apart = (
                left >= other[2] - 1 or other[0] >= right - 1
                or top >= other[3] - 1 or other[1] >= bottom - 1
            )  # fmt: skip
            assert apart, f"{text} lies on {other[4]}"
