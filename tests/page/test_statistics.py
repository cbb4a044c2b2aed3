"""Profiles and what matters, as the page draws them and as tables hold them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from small_nets.commands import report
from small_nets.page.numbers import number
from small_nets.sweep.store.store import Store
from tests.browser import open_page
from tests.conftest import Swept
from tests.page.conftest import data_of


def test_profiles_are_the_shares_of_runs(grid: Store, data: dict[str, Any]) -> None:
    table, keys = grid.read(), data["keys"]
    lines = data["profiles"]["val/loss"]["lines"]
    assert [line[0] for line in lines] == list(range(8))
    for setting, n, places, shares in lines:
        values = [key["texts"][i] for key, i in zip(keys, data["settings"][setting], strict=True)]
        mine = table.filter(*(pl.col(key["name"]).cast(pl.String) == value
                              for key, value in zip(keys, values, strict=True)))  # fmt: skip
        ends = mine.filter(status="completed")["val/loss"].to_list()
        assert n == len(mine) == 6
        assert places == pytest.approx(sorted(set(ends)), rel=1e-5)
        assert shares == [number(np.mean([e <= place for e in ends]) * len(ends) / n)
                          for place in sorted(set(ends))]  # fmt: skip
    # Each seed has a split of its own, and so a constant predictor: no one place is success.
    assert data["profiles"]["val/loss"]["bound"] is None


def test_profiles_are_drawn(opened: Page) -> None:
    expect(opened.locator("#profile .scatterlayer .trace")).to_have_count(8)
    words = opened.locator("#profile figcaption")
    expect(words).to_contain_text("whose val/loss ends at or below a value, for the first 8")
    opened.select_option("#metric", "train/loss")
    expect(words).to_contain_text("whose train/loss ends at or below a value")


def test_what_matters_is_drawn(opened: Page, data: dict[str, Any]) -> None:
    found = data["importances"]["val/loss"]
    shares = [share for _, share, _ in found["effects"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + found["chance"] == pytest.approx(1, abs=1e-4)
    assert found["is_rank"]  # a rate of 10 diverges
    names = opened.locator("#matters .ytick").all_text_contents()
    assert names == [*(name for name, *_ in found["effects"]), "chance"]
    bars = opened.locator("#matters .bars .point path")
    told = bars.evaluate_all("b => b.map((x) => getComputedStyle(x).fillOpacity)")
    pale = [effect[2] is False for effect in found["effects"]]
    assert [float(opacity) < 1 for opacity in told[:-1]] == pale
    words = opened.locator("#matters figcaption")
    expect(words).to_contain_text("variance of the rank by the median val/loss")
    opened.select_option("#metric", "train/loss")
    expect(words).to_contain_text("variance of the rank by the median train/loss")


@pytest.mark.parametrize("width", [1280, 400])
def test_texts_do_not_overlap(browser: Browser, written: Path, width: int) -> None:
    with open_page(browser, written.as_uri(), width) as page:
        for where in ("#matters", "#profile"):
            boxes = page.locator(f"{where} svg text").evaluate_all(
                "nodes => nodes.filter((n) => n.textContent).map((n) => n.getBoundingClientRect())"
                ".map((b) => [b.left, b.top, b.right, b.bottom])"
            )
            assert len(boxes) > 8
            for i, (left, top, right, bottom) in enumerate(boxes):
                assert right <= width
                for other in boxes[:i]:
                    assert (left >= other[2] - 1 or other[0] >= right - 1
                            or top >= other[3] - 1 or other[1] >= bottom - 1)  # fmt: skip


def test_success_is_marked_and_tables_have_quantiles(
    sweep: Callable[..., Swept], browser: Browser
) -> None:
    done = sweep("+experiment=xor", "trainer.max_epochs=20", "seed=range(6)",
                 "optimizer.lr=0.001,0.1", "success='train/accuracy>=0.75'",
                 "rank_by=success")  # fmt: skip
    where = done.store.directory
    for more in ([], ["--format", "csv"]):
        report.main([str(where), "--metric", "train/accuracy", *more])
    data = data_of((where / "report.html").read_text())
    assert data["profiles"]["train/accuracy"]["bound"] == [0.75, "train/accuracy>=0.75"]
    assert data["profiles"]["train/loss"]["bound"] is None
    assert data["importances"] == {}  # of one key
    with open_page(browser, (where / "report.html").as_uri()) as page:
        expect(page.locator("#profile .scatterlayer .trace")).to_have_count(3)
        expect(page.locator("#profile .legend")).to_contain_text("success: train/accuracy>=0.75")
        expect(page.locator("#h-matters")).to_be_hidden()
    ranking = pl.read_csv(where / "ranking.csv")
    for row in ranking.iter_rows(named=True):
        mine = done.table.filter(pl.col("optimizer.lr") == row["optimizer.lr"])["train/accuracy"]
        assert row["q10"] == mine.min()
        assert row["q90"] == mine.max()
        assert row["q25"] <= row["median"] <= row["q75"]
