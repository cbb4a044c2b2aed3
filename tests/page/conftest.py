"""What the tests of the page share: one sweep with its report, and one browser."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from rich.console import Console

from small_nets.commands import report
from small_nets.commands.python_api import call
from small_nets.sweep.store.store import Store
from tests.browser import open_page, start_browser

GRID = (
    # Of seeds and widths one is the beginning of another.
    "+experiment=temperature_mlp", "trainer.max_epochs=60", "seed=0,1,2,3,4,10",
    "optimizer=sgd,adam", "optimizer.lr=0.001,0.01,0.1,10", "model.width=2,20",
)  # fmt: skip

RESET = """() => {
  const choose = (id, value) => {
    const box = document.getElementById(id);
    if (box.value === value) return;
    box.value = value;
    box.dispatchEvent(new Event(id === "find" ? "input" : "change"));
  };
  const first = { metric: "val/loss", cell: "setting", isolate: "best", y: "0", x: "1", find: "" };
  for (const [id, value] of Object.entries(first)) choose(id, value);
  const log = document.getElementById("log-x");
  if (log.checked) log.click();
  if (document.documentElement.dataset.theme === "dark") document.getElementById("theme").click();
}"""


def data_of(text: str) -> dict[str, Any]:
    """The data inside a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A sweep of three settings, of which some runs diverge, with its report.html."""
    directory = tmp_path_factory.mktemp("report") / "grid"
    call([*GRID, f"sweep.dir={directory}", "sweep.directories=0"], Console(file=io.StringIO()))
    report.main([str(directory)])
    return Store(directory)


@pytest.fixture(scope="session")
def written(grid: Store) -> Path:
    """The report of the grid."""
    return grid.directory / "report.html"


@pytest.fixture(scope="session")
def data(written: Path) -> dict[str, Any]:
    """The data inside the report of the grid."""
    return data_of(written.read_text())


@pytest.fixture(scope="package")  # no two browsers at a time in one process
def browser() -> Iterator[Browser]:
    with start_browser() as found:
        yield found


@pytest.fixture(scope="package")
def shared(browser: Browser, written: Path) -> Iterator[Page]:
    with open_page(browser, written.as_uri()) as page:
        yield page


@pytest.fixture
def opened(shared: Page) -> Page:
    """The report of the grid as it is at first: to open it anew takes longer than most tests."""
    shared.evaluate(RESET)
    return shared
