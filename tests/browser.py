"""A real browser for the tests: Chromium, headless, through Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run")  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Started once for the tests of a file: starting takes longer than most of them."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    assert program is not None, "CI needs Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Browser, address: str, width: int = 1280, dark: bool = False
) -> Iterator[Page]:
    """A page at an address, in a window of this width. What its console says fails the test."""
    said: list[str] = []
    requests: list[str] = []
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page
    page.close()
    assert said == []
    own = ("data:", "blob:", address)
    assert [url for url in requests if not url.startswith(own)] == [], "it asks the network"
