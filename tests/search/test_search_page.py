"""A search's section of the report, in a browser."""

import io
import json
from collections.abc import Iterator

import pytest
from optuna.trial import TrialState
from playwright.sync_api import Browser, Page, expect
from rich.console import Console

from small_nets.commands import report
from small_nets.commands.python_api import call
from small_nets.page.search import search as section_of
from small_nets.sweep.store.store import Store
from small_nets.system.command_names import install_command
from tests.browser import open_page, start_browser
from tests.search.searched import Sweep, trials_of


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


@pytest.mark.more
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
