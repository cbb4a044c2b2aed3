"""The page of every kind of sweep in a real browser: drawn, operated by keys, its tables read."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from small_nets.commands import report
from small_nets.page.write import page as page_of
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from tests.browser import open_page
from tests.conftest import Answer, Swept
from tests.page.conftest import data_of

Sweep = Callable[..., Swept]


def texts(page: Page, where: str) -> list[str]:
    return page.locator(where).all_inner_texts()


def test_in_a_browser(opened: Page, grid: Store) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 1280
    check_whole(opened, grid)
    check_controls(opened)


def test_in_a_narrow_dark_window(browser: Browser, written: Path, grid: Store) -> None:
    with open_page(browser, written.as_uri(), 400, dark=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.locator("html").get_attribute("data-theme") == "dark"
        check_whole(page, grid)
        check_tables(page, grid)


def check_whole(page: Page, grid: Store) -> None:
    """Every chart is drawn, and the first of the ranking is that of the table."""
    ranked = rank(grid.read(), list(grid.swept), Standard("val/loss"))
    expect(page.locator("#ranking-table tbody tr")).to_have_count(len(ranked))
    head = page.locator("#ranking-table th").all_inner_texts()
    first = dict(zip(head, texts(page, "#ranking-table tbody tr:first-child td"), strict=True))
    assert first["median"] == f"{ranked[0].worth:.4g}"
    assert first["like the best"] == "the best"
    charts = page.locator("figure .chart")
    for i in range(charts.count()):  # drawn, and said in words
        expect(charts.nth(i).locator("svg").first).to_be_attached()
        assert len(charts.nth(i).get_attribute("aria-label") or "") > 30
    assert charts.count() == 2 + 1 + 3 + 2 + 2 + 3
    # Diverged cells are marked apart: as many crosses as settings of two without a finite end.
    lost = sum(math.isinf(r.worth) for r in ranked)
    assert lost > 0
    crosses = page.locator("#heat .scatterlayer path.point")
    assert crosses.count() == len(
        {(r.setting["optimizer"], r.setting["optimizer.lr"]) for r in ranked}
    ) - len(
        {
            (r.setting["optimizer"], r.setting["optimizer.lr"])
            for r in ranked
            if math.isfinite(r.worth)
        }
    )


def check_controls(page: Page) -> None:
    """By the keyboard: each control changes what it says it changes."""
    chart = page.locator("#heat .chart")

    def label() -> str:
        return chart.get_attribute("aria-label") or ""

    assert "over optimizer.lr (across) and optimizer (down)" in label()
    assert "the median val/loss over seed, for the best choice of model.width" in label()
    page.select_option("#cell", "median")
    assert "the median val/loss over model.width and seed" in label()
    page.select_option("#x", label="model.width")
    assert "over model.width (across)" in label()
    page.select_option("#y", label="model.width")  # both the same: they change places
    assert "over optimizer (across) and model.width (down)" in label()
    page.select_option("#cell", "setting")
    assert "for the best choice of optimizer.lr" in label()
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
    values = [float(t) for t in shown if t != "lost"]
    assert values == sorted(values, reverse=True)
    assert shown[len(values) :] == ["lost"] * (
        len(shown) - len(values)
    )  # what is not there is last
    page.fill("#find", "95")
    (row,) = page.locator("#runs-table tbody tr").all()
    wanted = grid.read().filter(job=95)["overrides"][0]
    assert row.locator("button").get_attribute("title") == f"python -m src.train {wanted}"
    page.fill("#find", "no such thing")
    expect(page.locator("#runs-table")).to_have_text("No run matches no such thing.")
    lost = grid.read().filter(status="diverged")
    commands = [b.get_attribute("title") for b in page.locator("#lost-table tbody .code").all()]
    assert commands == [f"python -m src.train {o}" for o in lost["overrides"]][:25]


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "overrides",
    [
        ("+experiment=xor", "seed=range(3)"),  # nothing but seeds; a map
        ("+experiment=feature_sum", "optimizer=sgd,adam"),  # three features, no seeds
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


@pytest.mark.more
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
    best, *_ = data_of(page_of(done.store, done.table, Standard("val/loss")))["fits"]["runs"]
    assert (best["kind"], best["classes"]) == ("confusion", ["high", "low", "middle"])
    counts = np.array(best["counts"])
    row = done.table.filter(job=best["job"]).row(0, named=True)
    assert counts.sum() == 18
    assert counts.trace() / 18 == pytest.approx(row["val/accuracy"])
    report.main([str(done.store.directory)])
    with open_page(browser, (done.store.directory / "report.html").as_uri()) as page:
        label = page.locator("#fit-0 .chart").get_attribute("aria-label") or ""
        assert f"of 18 validation rows: {counts.trace()} are right" in label


@pytest.mark.more
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


@pytest.mark.more
def test_a_page_of_too_many_settings_draws(
    grid: Store, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst run's setting is not on the page; the three that are shown have theirs there."""
    monkeypatch.setattr("small_nets.page.contents.MOST_SETTINGS", 300)
    table = grid.read()
    many = pl.concat([table] * 7).with_columns(job=pl.int_range(pl.len()))
    many = many.with_columns(**{"optimizer.lr": pl.col("job") * 1e-4 + 1e-4})
    path = tmp_path / "many.html"
    path.write_text(page_of(grid, many, Standard("val/loss")))
    with open_page(browser, path.as_uri()) as page:
        expect(page.locator("#runs-table tbody tr")).to_have_count(25)
        tiles = dict(zip(texts(page, "#tiles dt"), texts(page, "#tiles dd"), strict=True))
        assert tiles["settings"] == "672"
