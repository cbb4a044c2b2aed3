"""What the page shows can be read: at both widths, in cells, on axes, in captions."""

import re
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from small_nets.page.write import page as page_of
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import with_success
from small_nets.sweep.store.store import Store
from tests.browser import open_page

# Of each log axis of each chart: its marks as they are drawn, and where they lie.
LOG_AXES = """() => [...document.querySelectorAll(".chart")].flatMap((box) =>
  ["xaxis", "yaxis"].map((name) => box._fullLayout?.[name]).filter((a) => a && a.type === "log")
    .map((a) => ({ range: a.range.map((v) => 10 ** v), texts: a.ticktext, values: a.tickvals })))"""
MIDDLE_OF_FIRST_CURVE = """() => {
  const box = document.querySelector("#bands .chart"), { xaxis, yaxis } = box._fullLayout;
  const curve = box.data[1], i = Math.floor(curve.x.length / 2);
  box.scrollIntoView({ block: "center" });
  const { left, top } = box.getBoundingClientRect();
  const [x, y] = [xaxis.d2p(curve.x[i]), yaxis.d2p(curve.y[i])];
  return [left + xaxis._offset + x, top + yaxis._offset + y];
}"""
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
OPEN = "#bands .scatterlayer .trace .js-fill"


LOSS = Standard("val/loss")


@pytest.fixture(scope="module")
def wide(grid: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid as a page of four settings, with long numbers."""
    store = Store(grid.directory)
    store.about["swept"] = [*store.about["swept"], "model.activation"]
    table = grid.read().with_columns(
        pl.col("optimizer.lr") * 1.234567,
        pl.when(pl.col("job") % 2 == 0).then(pl.lit("sigmoid")).otherwise(pl.lit("tanh"))
        .alias("model.activation"),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("wide") / "report.html"
    path.write_text(page_of(store, with_success(store, table, {None: None}), LOSS))
    return path


def test_a_ranking_of_four_settings_fits_or_shows_the_mean_first(
    browser: Browser, wide: Path
) -> None:
    with open_page(browser, wide.as_uri(), 1280) as page:
        frame, box = page.locator("#ranking-table .frame"), page.locator("#ranking-table .scroll")
        hint, heads = page.locator("#ranking-table .hint"), page.locator("#ranking-table th")
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        expect(hint).to_be_hidden()
        expect(frame).to_have_class("frame")
        assert heads.nth(1).inner_text() == "optimizer"
        page.set_viewport_size({"width": 400, "height": 900})
        expect(heads.nth(1)).to_have_text("median")
        assert [h.split()[0] for h in heads.all_inner_texts()[:3]] == ["rank", "median", "95"]
        end = heads.nth(2).bounding_box()
        assert end is not None
        assert end["x"] + end["width"] <= 400
        # There is more, and it shows; at the end of it, too.
        expect(hint).to_be_visible()
        expect(frame).to_have_class("frame right")
        assert frame.evaluate("f => getComputedStyle(f, '::after').content") == '""'
        box.focus()
        page.keyboard.press("ArrowRight")
        expect(frame).to_have_class("frame right left")
        box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        expect(frame).to_have_class("frame left")


def test_a_failure_is_one_line_until_it_is_pressed(opened: Page, grid: Store) -> None:
    rows = opened.locator("#lost-table tbody tr")
    heights = rows.evaluate_all("rows => rows.map((r) => r.getBoundingClientRect().height)")
    assert max(heights) < 36
    lost = grid.read().filter(status="diverged")
    text = rows.first.locator(".code")
    # What all have in common is left out: what is left sets the runs apart. What was swept of it,
    # which may be the cause, is said once.
    common = [key for key in grid.swept if key != "seed" and lost[key].n_unique() == 1]
    assert common
    assert len(common) < len(grid.swept) - 1
    said = opened.locator("#lost-table caption").inner_text()
    assert re.findall(r"([\w.]+)=", said) == common
    assert "seed=" in text.inner_text()
    assert "max_epochs" not in text.inner_text()
    text.focus()
    opened.keyboard.press("Enter")
    assert text.inner_text() == f"python -m src.train {lost['overrides'][0]}"
    assert text.get_attribute("aria-expanded") == "true"


def test_captions_quote_what_is_drawn(opened: Page) -> None:
    opened.select_option("#cell", "median")
    quoted = 0
    for figure in opened.locator("#compare figure").all():
        words = figure.locator("figcaption").inner_text()
        drawn = set(
            re.findall(r"\d+ \u00d7", " ".join(figure.locator("tspan").all_text_contents()))
        )
        found = re.findall(r"“(\d+) \u00d7”: (\d+) runs? diverged", words)
        assert len(found) == (1 if drawn else 0)
        for times, count in found:
            assert times == count
            assert f"{times} \u00d7" in drawn
            quoted += 1
    assert quoted


def test_log_axes_name_their_decades(opened: Page) -> None:
    opened.check("#log-x")
    opened.evaluate("Plotly.relayout(document.querySelector('#strip .chart'),"
                    "{'xaxis.range': [0.2, 1.9]})")  # fmt: skip
    axes = opened.evaluate(LOG_AXES)
    assert len(axes) >= 6
    for axis in axes:
        low, high = axis["range"]
        assert sum(low <= v <= high for v in axis["values"]) >= 2, axis
        for text, value in zip(axis["texts"], axis["values"], strict=True):
            factor, _, power = text.translate(RAISED).rpartition("10")
            raised = any(c in "⁰¹²³⁴⁵⁶⁷⁸⁹" for c in text)
            said = float(factor.rstrip("·") or 1) * 10 ** int(power) if raised else float(text)
            assert said == pytest.approx(value, rel=0.01)


def test_axes_are_titled_with_what_they_draw(opened: Page) -> None:
    def title(where: str) -> str:
        return opened.locator(f"{where} .ytitle").text_content() or ""

    assert title("#bands") == "val/loss"
    assert title("#extremes") == "loss"  # of both splits
    assert title("#lines") == "median val/loss"
    opened.select_option("#cell", "median")
    assert title("#lines") == "median val/loss"
    assert title("#effect-0") == "val/loss"
    opened.select_option("#metric", "train/loss")
    assert title("#bands") == "train/loss"


def test_the_best_is_the_same_everywhere(opened: Page) -> None:
    for metric in ("val/loss", "train/loss"):
        opened.select_option("#metric", metric)
        head = opened.locator("#ranking-table th").all_inner_texts()
        row = opened.locator("#ranking-table tbody tr").first.locator("td").all_inner_texts()
        first = dict(zip(head, row, strict=True))
        words = opened.locator("#heat figcaption").inner_text()
        assert f"Best: {first['median']} at" in words
        assert f"optimizer.lr {first['lr']}, optimizer {first['optimizer']}, in the frame" in words
        assert opened.locator("#heat .shapelayer path").count() == 1
        label = opened.locator("#strip .ytick").first.text_content() or ""
        assert label == f"1. optimizer={first['optimizer']} lr={first['lr']} width={first['width']}"
    tiles = opened.locator("#tiles dd").all_inner_texts()
    opened.select_option("#metric", "val/loss")
    assert (
        tiles[-1]
        == opened.locator("#ranking-table tbody tr")
        .first.locator("td")
        .nth(head.index("median"))
        .inner_text()
    )


@pytest.mark.parametrize(("levels", "width", "written"), [(4, 400, True), (36, 1280, False)])
def test_cells_hold_numbers_that_can_be_read_or_none(
    browser: Browser, grid: Store, tmp_path: Path, levels: int, width: int, written: bool
) -> None:
    table = grid.read().with_columns(**{"optimizer.lr": (pl.col("job") % levels + 1) * 0.01})
    path = tmp_path / "cells.html"
    path.write_text(page_of(grid, table, LOSS))
    with open_page(browser, path.as_uri(), width) as page:
        boxes = page.locator("#heat .textpoint text").evaluate_all(
            "nodes => nodes.map((n) => { const b = n.getBoundingClientRect();"
            " return [b.left, b.top, b.right, b.bottom]; })"
        )
        assert bool(boxes) == written
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert bottom - top >= 10
            for other in boxes[:i]:
                assert (left >= other[2] or other[0] >= right
                        or top >= other[3] or other[1] >= bottom)  # fmt: skip
        words = page.locator("#heat figcaption").inner_text()
        assert ("Point at a cell for its number." in words) != written


def test_a_band_is_that_of_the_chosen_curve(opened: Page) -> None:
    fills = opened.locator(OPEN)
    expect(fills).to_have_count(0)  # medians alone
    place = opened.evaluate(MIDDLE_OF_FIRST_CURVE)
    before = opened.evaluate("document.querySelector('#bands .chart')._fullLayout.yaxis.range")
    opened.mouse.move(*place)
    expect(fills).to_have_count(1)
    # The axis stays where it is: what is pointed at does not move away.
    after = opened.evaluate("document.querySelector('#bands .chart')._fullLayout.yaxis.range")
    assert after == before
    opened.mouse.move(5, 5)
    expect(fills).to_have_count(0)
    opened.mouse.move(*place)
    expect(fills).to_have_count(1)
    # A hand is never still: the drawing of the band lets plotly forget what was pointed at.
    opened.wait_for_timeout(300)
    opened.mouse.move(place[0] + 1, place[1])
    opened.wait_for_timeout(300)
    opened.mouse.down()
    opened.mouse.up()
    opened.mouse.move(5, 5)
    opened.wait_for_timeout(300)
    expect(fills).to_have_count(1)  # clicked: it stays
    opened.select_option("#isolate", index=2)
    expect(fills).to_have_count(1)
    opened.select_option("#isolate", "all")
    expect(fills).to_have_count(0)
    opened.locator("#bands .legendtoggle").nth(1).click()
    expect(fills).to_have_count(1)
