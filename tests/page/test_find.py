"""Runs are found by words in any order, and by whole values."""

import re

import polars as pl
from playwright.sync_api import Page, expect

from small_nets.sweep.store.store import Store

C = pl.col


def test_find(opened: Page, grid: Store) -> None:
    table = grid.read()
    small, sgd = C("model.width") == "2", C("optimizer") == "sgd"
    cases: list[tuple[str, pl.Expr]] = [
        ("width=2", small),
        ("model.width=2", small),
        ("seed=1", C("seed") == 1),
        ("seed=10", C("seed") == 10),
        ("width=20", ~small),
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
        ("'optimizer=sgd' width=2", small & sgd),
        ("lr=", pl.lit(True)),
        ("", pl.lit(True)),
        ("+experiment=temperature_mlp", pl.lit(True)),
    ]
    for asked, wanted in cases:
        opened.fill("#find", asked)
        jobs = table.filter(wanted)["job"].to_list()
        where = opened.locator("#runs-table")
        if not jobs:
            expect(where).to_have_text(f"No run matches {asked}.")
            continue
        shown = where.locator("tbody tr td:first-child").all_inner_texts()
        assert shown == [str(job) for job in jobs[:25]], asked
        if len(jobs) > 25:
            found = re.search(r"of (\d+)", where.locator(".pages").inner_text())
            assert found is not None
            assert int(found[1]) == len(jobs), asked
