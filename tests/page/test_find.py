"""Runs are found by words in any order, and by whole values."""

import re
from pathlib import Path

import polars as pl
from playwright.sync_api import Browser, expect

from small_nets.page.write import page as page_of
from small_nets.sweep.store.store import Store
from tests.browser import open_page

C = pl.col


def test_find(browser: Browser, grid: Store, tmp_path: Path) -> None:
    # Widths of 2 and 20, seeds of 1 and 10: one is the beginning of another.
    wide = {"2": "2", "4": "20"}
    table = grid.read().with_columns(
        C("model.width").replace(wide), C("seed") * 10 + (C("job") % 2), C("job") + 1,
        overrides=C("overrides").str.replace(r"model.width=4", "model.width=20")
        .str.replace(r"seed=\d+", "'description=a b' seed=") + (C("seed") * 10 + C("job") % 2)
        .cast(pl.String),
    )  # fmt: skip
    path = tmp_path / "find.html"
    path.write_text(page_of(grid, table, "val/loss"))
    small, sgd = C("model.width") == "2", C("optimizer") == "sgd"
    cases: list[tuple[str, pl.Expr]] = [
        ("width=2", small),
        ("model.width=2", small),
        ("seed=1", C("seed") == 1),
        ("seed=10", C("seed") == 10),
        ("seed=99", pl.lit(False)),
        ("sgd width=2", small & sgd),
        ("width=2 sgd", small & sgd),
        ("WIDTH=2   optimizer=SGD", small & sgd),
        ("lr=1e-2", C("optimizer.lr") == 0.01),
        ("lr=0.1", C("optimizer.lr") == 0.1),
        ("diverged adam", (C("status") == "diverged") & ~sgd),
        ("status=diverged", C("status") == "diverged"),
        ("sg", sgd),  # not typed to its end yet
        ("12", C("job") == 12),
        ("job=12", C("job") == 12),
        ("'description=a b' sgd", sgd),
        ("lr=", pl.lit(True)),
        ("", pl.lit(True)),
        ("+experiment=temperature_mlp", pl.lit(True)),
    ]
    with open_page(browser, path.as_uri()) as page:
        for asked, wanted in cases:
            page.fill("#find", asked)
            jobs = table.filter(wanted)["job"].to_list()
            where = page.locator("#runs-table")
            if not jobs:
                expect(where).to_have_text(f"No run matches {asked}.")
                continue
            shown = where.locator("tbody tr td:first-child").all_inner_texts()
            assert shown == [str(job) for job in jobs[:25]], asked
            if len(jobs) > 25:
                found = re.search(r"of (\d+)", where.locator(".pages").inner_text())
                assert found is not None
                assert int(found[1]) == len(jobs), asked
