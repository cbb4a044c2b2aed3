"""What is confirmed stands below the ranking; a page without it has no such place."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from small_nets.page.write import page as page_of
from small_nets.sweep.results.standard import Standard
from tests.browser import open_page
from tests.conftest import Swept
from tests.page.conftest import data_of

GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=20", "optimizer.lr=0.0005,0.001",
        "seed=range(5)")  # fmt: skip


def test_confirmed(browser: Browser, sweep: Callable[..., Swept]) -> None:
    done = sweep(*GRID, "sweep.confirm=2", "sweep.confirm_seeds=6")
    path = done.store.directory / "looked_at.html"
    path.write_text(text := page_of(done.store, done.table, Standard("val/loss")))
    rows = data_of(text)["confirmed"]["rows"]
    for width, first in ((1280, "setting"), (400, "when chosen")):
        with open_page(browser, path.as_uri(), width) as page:
            cells = page.locator("#confirmed-table tbody tr").first.locator("td")
            expect(page.locator("#confirmed-table tbody tr")).to_have_count(2)
            heads = page.locator("#confirmed-table th").all_inner_texts()
            assert heads[0] == first
            found = dict(zip(heads, cells.all_inner_texts(), strict=True))
            assert found["confirmed"] == f"{rows[0][2]:.4g}"
            assert found["n"] == "6"
            assert "Chosen as the best: optimizer.lr=" in page.locator("#confirmed").inner_text()


def test_none(opened: Page) -> None:
    expect(opened.locator("#confirmed")).to_have_count(0)
