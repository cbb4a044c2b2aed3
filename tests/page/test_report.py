"""The report of a sweep: its page in a real browser, its tables read back."""

import io
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small_nets.commands import report
from small_nets.commands.predict import read_run
from small_nets.commands.python_api import call
from small_nets.notebook import run
from small_nets.page.contents import contents
from small_nets.page.curves import BEST, SPREAD, shown_settings
from small_nets.page.export import ranking_table
from small_nets.page.numbers import number
from small_nets.page.write import page as page_of
from small_nets.run.pictures.from_directory import _lesson
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.store.manifest import read_manifest, rewrite
from small_nets.sweep.store.store import Store
from tests.browser import open_page, start_browser
from tests.conftest import Answer, Swept, quiet

Sweep = Callable[..., Swept]
GRID = (
    "+experiment=temperature_mlp", "trainer.max_epochs=60", "seed=range(6)",
    "optimizer=sgd,adam", "optimizer.lr=0.001,0.01,0.1,10", "model.width=2,4",
)  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Store:
    directory = tmp_path_factory.mktemp("report") / "grid"
    call([*GRID, f"sweep.dir={directory}", "sweep.directories=0"], Console(file=io.StringIO()))
    return Store(directory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as found:
        yield found


def data_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_numbers_of_the_page_are_those_of_the_table(grid: Store) -> None:
    table = grid.read()
    data = data_of(page_of(grid, table, "val/loss"))
    counts = {
        s: len(table.filter(status=s)) for s in ("completed", "diverged", "failed", "stopped")
    }
    assert data["head"]["counts"] == counts
    keys = [key["name"] for key in data["keys"]]
    assert keys == ["optimizer", "optimizer.lr", "model.width"]
    assert [key["log"] for key in data["keys"]] == [False, True, False]
    for place, stats in zip(data["settings"], data["stats"]["val/loss"], strict=True):
        setting = [key["values"][i] for key, i in zip(data["keys"], place, strict=True)]
        runs = table.filter(
            *(pl.col(k) == v for k, v in zip(keys, setting, strict=True)),
            pl.col("status") == "completed",
        )
        assert stats[0] == len(runs)
        if len(runs):
            mean, median = runs["val/loss"].mean(), runs["val/loss"].median()
            assert stats[1:2] + stats[5:6] == pytest.approx([mean, median], rel=1e-5)
    runs = data["runs"]
    assert runs["job"] == table["job"].to_list()
    for i in (0, 17, 95):
        row = table.row(i, named=True)
        place = data["settings"][runs["setting"][i]]
        assert [k["values"][p] for k, p in zip(data["keys"], place, strict=True)] == [
            row[k] for k in keys
        ]
        assert runs["metrics"]["val/loss"][i] == number(row["val/loss"])
        assert runs["overrides"][i] == row["overrides"]


def test_bands_are_quantiles_over_seeds(grid: Store) -> None:
    data = data_of(page_of(grid, grid.read(), "val/loss"))
    curve = data["curves"][0]
    places = zip(data["keys"], data["settings"][curve["setting"]], strict=True)
    runs = grid.read().filter(*(pl.col(k["name"]) == k["values"][i] for k, i in places))
    curves = grid.curves().filter(pl.col("run_id").is_in(runs["run_id"].to_list()))
    at = curves.filter(step=curve["step"][-1])["val/loss"]
    middle, low, high = (values[-1] for values in curve["of"]["val/loss"])
    wanted = [at.median(), at.quantile(0.1), at.quantile(0.9)]
    assert [middle, low, high] == pytest.approx(wanted, rel=1e-5)


def test_a_message_cannot_break_out_of_the_page(sweep: Sweep) -> None:
    done = sweep(*GRID[:2], "seed=0", "description=a,'</script><b>'", "optimizer.lr=0.01,-1")
    text = page_of(done.store, done.table, "val/loss")
    assert text.count("</script>") == 3
    assert [row[1] for row in data_of(text)["lost"]] == ["failed"] * 2


def texts(page: Page, where: str) -> list[str]:
    return page.locator(where).all_inner_texts()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_in_a_browser(browser: Browser, grid: Store, width: int, dark: bool) -> None:
    report.main([str(grid.directory)])
    ranked = rank(grid.read(), list(grid.swept), "val/loss")
    with open_page(browser, (grid.directory / "report.html").as_uri(), width, dark) as page:
        expect(page.locator("#ranking-table tbody tr")).to_have_count(len(ranked))
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("html").get_attribute("data-theme") == ("dark" if dark else "light")
        head = page.locator("#ranking-table th").all_inner_texts()
        first = dict(zip(head, texts(page, "#ranking-table tbody tr:first-child td"), strict=True))
        assert first["mean"] == f"{ranked[0].mean:.4g}"
        assert first["like the best"] == "the best"
        charts = page.locator("figure .chart")
        for i in range(charts.count()):  # drawn, and said in words
            expect(charts.nth(i).locator("svg").first).to_be_attached()
            assert len(charts.nth(i).get_attribute("aria-label") or "") > 30
        assert charts.count() == 2 + 3 + 1 + 2 + 3
        # Diverged cells are marked apart: as many crosses as settings of two without a finite end.
        lost = sum(r.n == 0 for r in ranked)
        assert lost > 0
        crosses = page.locator("#heat .scatterlayer path.point")
        assert crosses.count() == len(
            {(r.setting["optimizer"], r.setting["optimizer.lr"]) for r in ranked}
        ) - len({(r.setting["optimizer"], r.setting["optimizer.lr"]) for r in ranked if r.n})
        check_controls(page)
        check_tables(page, grid)


def check_controls(page: Page) -> None:
    """By the keyboard: each control changes what it says it changes."""
    label = page.locator("#heat .chart")
    before = label.get_attribute("aria-label") or ""
    assert "the median run's val/loss over optimizer.lr (across) and optimizer (down)" in before
    page.select_option("#x", label="model.width")
    assert "over model.width (across)" in (label.get_attribute("aria-label") or "")
    page.select_option("#y", label="model.width")  # both the same: they change places
    words = label.get_attribute("aria-label") or ""
    assert "over optimizer (across) and model.width (down)" in words
    page.select_option("#cell", "setting")
    assert "best setting" in (label.get_attribute("aria-label") or "")
    ranking = page.locator("#ranking-text").inner_text()
    page.locator("#metric").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#ranking-text")).not_to_have_text(ranking)
    expect(page.locator("#ranking-text")).to_contain_text("train/loss")
    assert "train/loss" in (page.locator("#bands .chart").get_attribute("aria-label") or "")
    page.select_option("#isolate", index=3)
    assert "1 setting:" in (page.locator("#bands .chart").get_attribute("aria-label") or "")
    page.select_option("#isolate", "all")
    drawn = page.locator("#bands .legend .traces")
    count = drawn.count()
    page.locator("#bands .legendtoggle").nth(1).click()  # the others fade
    faded = page.locator('#bands .legend .traces[style*="opacity: 0.5"]')
    expect(faded).to_have_count(count - 1)
    theme = page.locator("html").get_attribute("data-theme")
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert page.locator("html").get_attribute("data-theme") != theme


def check_tables(page: Page, grid: Store) -> None:
    button = page.locator("#ranking-table th button", has_text="median")
    button.click()
    button.click()
    column = page.locator("#ranking-table th").all_inner_texts().index("median")
    shown = texts(page, f"#ranking-table tbody td:nth-child({column + 1})")
    values = [float(t) for t in shown if t]
    assert values == sorted(values, reverse=True)
    assert shown[len(values) :] == [""] * (len(shown) - len(values))  # what is not there is last
    page.fill("#find", "95")
    (row,) = page.locator("#runs-table tbody tr").all()
    wanted = grid.read().filter(job=95)["overrides"][0]
    assert row.locator("button").get_attribute("title") == f"python -m src.train {wanted}"
    page.fill("#find", "no such thing")
    expect(page.locator("#runs-table")).to_have_text("No run matches no such thing.")
    lost = grid.read().filter(status="diverged")
    commands = texts(page, "#lost-table tbody code")
    assert commands == [f"python -m src.train {o}" for o in lost["overrides"]][:25]


@pytest.mark.parametrize(
    "overrides",
    [
        ("+experiment=xor", "seed=range(3)"),  # nothing but seeds; a map
        ("+experiment=sine", "optimizer.lr=0.01,0.02"),  # no seeds
        ("+experiment=feature_sum", "seed=0,1", "optimizer=sgd,adam"),  # three features
        ("+experiment=temperature_linear", "optimizer.lr=10", "seed=0,1"),  # none completed
        ("+experiment=sine,xor", "seed=0,1"),  # several examples
    ],
)
def test_every_kind_of_sweep_has_a_page(
    browser: Browser, sweep: Sweep, overrides: tuple[str, ...]
) -> None:
    store = sweep(*overrides, "trainer.max_epochs=4").store
    report.main([str(store.directory)])
    with open_page(browser, (store.directory / "report.html").as_uri(), 400) as page:
        expect(page.locator("#runs-table tbody tr")).not_to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_a_classification_shows_its_confusion(
    browser: Browser, sweep: Sweep, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(90, 3))
    kind = np.array(["low", "middle", "high"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "kind": kind}).write_csv(
        tmp_path / "my.csv"
    )
    done = sweep("data=table", f"data.path={tmp_path / 'my.csv'}", "data.inputs=[a,b,c]",
                 "data.target=kind", "loss=cross_entropy", "trainer.max_epochs=50", "seed=0,1",
                 "optimizer.lr=0.5")  # fmt: skip
    best, *_ = data_of(page_of(done.store, done.table, "val/loss"))["fits"]["runs"]
    assert (best["kind"], best["classes"]) == ("confusion", ["high", "low", "middle"])
    counts = np.array(best["counts"])
    row = done.table.filter(job=best["job"]).row(0, named=True)
    assert counts.sum() == 18
    assert counts.trace() / 18 == pytest.approx(row["val/accuracy"])
    report.main([str(done.store.directory)])
    with open_page(browser, (done.store.directory / "report.html").as_uri()) as page:
        label = page.locator("#fit-0 .chart").get_attribute("aria-label") or ""
        assert f"of 18 validation rows: {counts.trace()} are right" in label


def test_nothing_to_compare(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    store = sweep("+experiment=weather", "seed=0,1").store
    with pytest.raises(SystemExit):
        report.main([str(store.directory)])
    assert capsys.readouterr().err.endswith("cannot be compared: none has a loss\n")


def test_tables(grid: Store, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(grid.directory)
    ranked = rank(grid.read(), list(grid.swept), "val/loss")
    for form in ("csv", "parquet", "md"):
        report.main([directory, "--format", form])
    written = capsys.readouterr().out
    assert [f"report: {directory}/{n}" in written
            for n in ("ranking.csv", "runs.parquet", "report.md")] == [True] * 3  # fmt: skip
    for name, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        found = read(grid.directory / f"ranking.{name}")
        assert found["mean"].to_list() == pytest.approx([r.mean for r in ranked], nan_ok=True)
        assert found["optimizer"].to_list() == [r.setting["optimizer"] for r in ranked]
        assert len(read(grid.directory / f"runs.{name}")) == 96
    text = (grid.directory / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert f"{ranked[0].mean:.6g}" in row
    assert "## Failures and divergences" in text
    assert ranking_table(ranked)["alike"][0] is True


def test_a_swept_metric_ranks(grid: Store, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(grid.directory), "--format", "md", "--metric", "train/loss"])
    assert "Settings by mean train/loss over seeds" in capsys.readouterr().out


def test_a_run_gets_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("+experiment=xor", "model.width=2", "trainer.max_epochs=20", "hydra.run.dir=here")
    report.main(["here"])
    assert "here/features.png\n" in capsys.readouterr().out
    assert Path("here/training.gif").stat().st_size > 1000
    with pytest.raises(SystemExit):
        report.main(["here", "--rerun", "3"])
    assert "--rerun is for a sweep, and here is a single run" in capsys.readouterr().err


def test_refusals(grid: Store, command: Callable[..., Answer], tmp_path: Path) -> None:
    for arguments, words in (
        (("nowhere",), "nowhere does not exist: there is no sweep.json and no"),
        ((str(tmp_path),), "is not the directory of a sweep or a run"),
        ((str(grid.directory), "--metric", "val/los"), "Did you mean val/loss?"),
    ):
        answer = command("src.report", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("Error: ")
        assert words in answer.err
        assert "Traceback" not in answer.err


def test_event_files_for_some_runs(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    store = sweep(
        *GRID[:2], "seed=range(7)", "optimizer.lr=0.0001,0.001", "sweep.directories=0"
    ).store
    table = store.read().filter(status="completed").sort("val/loss")
    (best, *_), (*_, second, worst) = table["job"], table["job"]
    directory = str(store.directory)
    report.main([directory, "--tensorboard", f"{worst}"])
    kept = (store.directory / str(worst) / "result.json").read_bytes()
    report.main([directory, "--tensorboard", "worst:2"])
    said = capsys.readouterr().out
    assert f"run {worst}: {store.directory / str(worst)}  (there already)" in said
    assert f"run {second}: {store.directory / str(second)}  (written)" in said
    assert (store.directory / str(worst) / "result.json").read_bytes() == kept
    events = EventAccumulator(str(store.directory / str(worst)))
    events.Reload()
    row = table.filter(job=worst).row(0, named=True)
    assert events.Scalars("val/loss")[-1].value == pytest.approx(row["val/loss"])
    report.main([directory, "--tensorboard", "best:1"])
    assert (store.directory / str(best) / "result.json").exists()
    for text, words in (("4,999", "there is no run 999: the sweep has 14 runs"),
                        ("best", "names no runs.\nAllowed: job numbers"),
                        (f"best:{10**20}", "names no runs"), ("٣", "names no runs"),
                        ("9" * 5000, "names no runs")):  # fmt: skip
        with pytest.raises(SystemExit):
            report.main([directory, "--tensorboard", text])
        assert words in capsys.readouterr().err


def test_rerun(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone, with everything logged, and it ends where the table says; else the command fails."""
    store = sweep(*GRID[:2], "seed=0,1", "optimizer.lr=0.0001,10,-1").store
    directory = str(store.directory)
    report.main([directory, "--rerun", "0"])
    assert re.search(r"^0 +completed .* equal *$", capsys.readouterr().out, re.MULTILINE)
    again = store.directory / "rerun_0"
    names = {path.name for path in again.iterdir()}
    assert {"fit.png", "result.json", "checkpoint.ckpt", ".hydra"} <= names
    row = store.read().filter(job=0).row(0, named=True)
    found = json.loads((again / "result.json").read_text())
    assert found["run_id"] == row["run_id"]
    assert found["metrics"]["val/loss"] == pytest.approx(row["val/loss"], rel=1e-4)
    report.main([directory, "--rerun", "1"])  # diverged, both
    assert "diverged" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        report.main([directory, "--rerun", "2"])
    assert refused.value.code == 2
    assert "run 2 failed, so that nothing was trained: optimizer.lr=-1" in capsys.readouterr().err
    (weights,) = (store.directory / "weights").glob("0000000*")
    tensors = load_file(weights)
    with safe_open(weights, framework="pt") as file:
        about = file.metadata()
    save_file({name: t + 1 for name, t in tensors.items()}, weights, metadata=about)
    with pytest.raises(SystemExit) as broken:
        report.main([directory, "--rerun", "0"])
    assert broken.value.code == 2
    assert weights.name in capsys.readouterr().err  # changed after it was written
    part = read_manifest(store.directory, weights.stem)
    rewrite(store.directory, part, part.runs, {"weights": weights.read_bytes()})
    with pytest.raises(SystemExit) as broken:
        report.main([directory, "--rerun", "0"])
    assert broken.value.code == 1
    assert (store.directory / "rerun_0_2" / "result.json").exists()  # nothing is overwritten
    assert json.loads((again / "result.json").read_text()) == found
    assert "DIFFERENT" in capsys.readouterr().out


def test_what_halving_stopped(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """Repeated alone, and walked again for its pictures, it ends where halving stopped it."""
    store = sweep(*GRID[:2], "seed=0", "optimizer.lr=0.01,0.0001", "scheduler=cosine",
                  "sweep.halving={factor: 2, first: 20}").store  # fmt: skip
    row = store.read().row(0, named=True)
    assert (row["status"], row["epochs"]) == ("stopped", 20)
    report.main([str(store.directory), "--rerun", "0"])
    said = capsys.readouterr().out
    assert re.search(r"^0 +stopped .* equal *$", said, re.MULTILINE)
    assert "stopped after epoch 20 of 60, as the halving of its sweep did" in said
    found = json.loads((store.directory / "rerun_0" / "result.json").read_text())
    assert (found["status"], found["epochs"]) == ("stopped", 20)
    assert found["metrics"]["val/loss"] == pytest.approx(row["val/loss"], rel=1e-4)
    report.main([str(store.directory), "--tensorboard", "0"])
    run = store.directory / "0"
    lesson = _lesson(read_run(run), quiet())
    assert lesson.curves["val/loss"] == pytest.approx(found["curves"]["val/loss"], rel=1e-4)
    assert lesson.step == found["steps"]


@given(st.floats())
def test_numbers_keep_six_digits(value: float) -> None:
    found = number(value)
    if not math.isfinite(value):
        assert found is None
    else:
        assert found == pytest.approx(value, rel=1e-5, abs=0)


@given(st.integers(0, 5000))
def test_shown_settings_are_distinct_and_hold_the_ends(count: int) -> None:
    shown = shown_settings(count)
    assert shown == sorted(set(shown))
    assert len(shown) == min(count, BEST + SPREAD)
    assert not count or (shown[0] == 0 and shown[-1] == count - 1)


def test_a_page_of_many_runs_is_small(grid: Store) -> None:
    """Beyond what a browser can hold: sampled, and said."""
    table = grid.read()
    many = pl.concat([table] * 300).with_columns(
        job=pl.int_range(pl.len()), **{"optimizer.lr": pl.int_range(pl.len()) // 4 * 1e-4 + 1e-4}
    )
    data, runs = contents(grid, many, "val/loss")
    assert len(runs) == len(many) == 28_800
    assert len(data["runs"]["job"]) <= 20_000
    assert len(data["settings"]) == 5_000
    assert len(json.dumps(data)) < 8e6
    assert any("are on this page" in note for note in data["notes"])


def test_a_page_without_its_table(
    sweep: Sweep, browser: Browser, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    """The table is gone: all but the fits is in the store."""
    pl.DataFrame({"a": range(40), "b": range(40)}).write_csv(tmp_path / "my.csv")
    store = sweep("data=table", f"data.path={tmp_path / 'my.csv'}", "data.inputs=[a]",
                  "data.target=b", "trainer.max_epochs=3", "seed=0,1").store  # fmt: skip
    (tmp_path / "my.csv").unlink()
    assert command("src.report", str(store.directory)).code == 0  # nothing of it in memory
    with open_page(browser, (store.directory / "report.html").as_uri()) as page:
        expect(page.locator("#fit-charts")).to_contain_text("They cannot be drawn: ")
        expect(page.locator("#runs-table tbody tr")).to_have_count(2)


def test_a_page_of_too_many_settings_draws(grid: Store, browser: Browser, tmp_path: Path) -> None:
    """The worst run's setting is not on the page; the three that are shown have theirs there."""
    table = grid.read()
    many = pl.concat([table] * 70).with_columns(job=pl.int_range(pl.len()))
    many = many.with_columns(**{"optimizer.lr": pl.col("job") * 1e-4 + 1e-4})
    path = tmp_path / "many.html"
    path.write_text(page_of(grid, many, "val/loss"))
    with open_page(browser, path.as_uri()) as page:
        expect(page.locator("#runs-table tbody tr")).to_have_count(25)
        tiles = dict(zip(texts(page, "#tiles dt"), texts(page, "#tiles dd"), strict=True))
        assert tiles["settings"] == "6,720"


def test_the_best_run_of_a_metric_that_should_be_high(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    done = sweep("+experiment=xor", "model.width=null,4", "seed=0,1", "trainer.max_epochs=200")
    assert done.table["train/accuracy"].n_unique() > 1
    report.main([str(done.store.directory), "--metric", "train/accuracy", "--format", "md"])
    best = done.table["train/accuracy"].max()
    assert re.search(rf"best run: \d+, train/accuracy {best:.6g}", capsys.readouterr().out)
