"""The page's bars of where runs end."""

from collections.abc import Callable, Sequence

import polars as pl
import pytest
from playwright.sync_api import Browser, expect

from small_nets.page.endings import endings
from small_nets.page.write import page as page_of
from small_nets.sweep.results.standard import Standard
from tests.browser import open_page
from tests.conftest import Swept
from tests.page.conftest import data_of

LOSS = Standard("train/loss")


def table_of(losses: Sequence[Sequence[float | None]]) -> pl.DataFrame:
    """Runs by setting; None for a run that diverged."""
    return pl.DataFrame([
        {"setting": s, "train/loss": v, "status": "diverged" if v is None else "completed"}
        for s, some in enumerate(losses) for v in some
    ])  # fmt: skip


def test_each_run_is_counted_once() -> None:
    table = table_of([[0.1] * 15 + [0.5] * 5, [0.5, 0.5, None, 3.0]])
    found = endings(table, LOSS)
    assert found is not None
    assert [e[0] for e in found["endings"]] == [0.1, 0.5]
    assert found["counts"] == [[15, 5, 0, 0], [0, 2, 1, 1]]  # 3.0 is one run, and no ending


@pytest.mark.parametrize("losses", [
    [[0.1, 0.11, 0.12] * 10], [[None, None]], [[0.1] * 5 + [0.5] * 5],
    [[float(3**i) for _ in range(4) for i in range(9)]],
    [[0.1] * 40, [0.5] * 40],  # settings that differ, and seeds that do not
])  # fmt: skip
def test_nothing_is_said_of_one_ending_or_of_many(losses: Sequence[Sequence[float | None]]) -> None:
    assert endings(table_of(losses), LOSS) is None


def test_of_what_is_high() -> None:
    table = table_of([[0.1] * 20 + [0.5] * 20]).rename({"train/loss": "train/accuracy"})
    assert endings(table, Standard("train/accuracy")) is None


def test_the_bars(browser: Browser, sweep: Callable[..., Swept]) -> None:
    done = sweep("+experiment=xor", "model.width=2,3", "model.activation=tanh,relu",
                 "seed=range(60)", "trainer.max_epochs=2000")  # fmt: skip
    path = done.store.directory / "looked_at.html"
    path.write_text(text := page_of(done.store, done.table, LOSS))
    found = data_of(text)["endings"]
    stuck = [e[0] for e in found["endings"] if 0.3 < e[0] < 0.6]
    assert stuck == pytest.approx([0.3466, 0.4774], abs=2e-3)
    assert {sum(counts) for counts in found["counts"]} == {60}
    with open_page(browser, path.as_uri()) as page:
        bars = page.locator("#endings .barlayer .trace")
        expect(bars.first).to_be_visible()
        names = page.locator("#endings .legendtext").all_text_contents()
        assert any(name.startswith("0.477") for name in names)
        shares = bars.locator(".bartext").all_text_contents()
        counts = [n for some in found["counts"] for n in some]
        assert shares
        assert set(shares) <= {f"{100 * n / 60:.0f} %" for n in counts}
        page.locator("#metric").select_option("train/accuracy")
        expect(page.locator("#endings svg")).to_have_count(0)
