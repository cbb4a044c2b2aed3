"""What a page holds, before any browser: its numbers are those of the sweep's tables."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.page.contents import _keys, contents
from small_nets.page.curves import BEST, SPREAD, shown_settings
from small_nets.page.numbers import number
from small_nets.page.write import page as page_of
from small_nets.sweep.results.normalised import normalised_losses
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from tests.conftest import Swept
from tests.page.conftest import GRID, data_of

LOSS = Standard("val/loss")
Sweep = Callable[..., Swept]


def given_of(data: dict[str, Any], place: list[int]) -> list[Any]:
    """A setting as the sweep's table has it: widths are texts there."""
    found = [key["values"][i] for key, i in zip(data["keys"], place, strict=True)]
    names = [key["name"] for key in data["keys"]]
    return [str(v) if n == "model.width" else v for n, v in zip(names, found, strict=True)]


def test_the_numbers_of_the_page_are_those_of_the_table(grid: Store, data: dict[str, Any]) -> None:
    table = grid.read()
    counts = {
        s: len(table.filter(status=s)) for s in ("completed", "diverged", "failed", "stopped")
    }
    assert data["head"]["counts"] == counts
    keys = [key["name"] for key in data["keys"]]
    assert keys == ["optimizer", "optimizer.lr", "model.width"]
    assert [key["log"] for key in data["keys"]] == [False, True, False]
    for place, stats in zip(data["settings"], data["stats"]["val/loss"], strict=True):
        setting = given_of(data, place)
        runs = table.filter(
            *(pl.col(k) == v for k, v in zip(keys, setting, strict=True)),
        )
        lost = pl.col("status") == "diverged"
        values = (
            runs.select(pl.when(lost).then(math.inf).otherwise("val/loss")).to_series().to_numpy()
        )
        found = dict(zip(data["statistics"], stats, strict=True))
        assert found["n"] == len(values) == 6
        assert found["worth"] == number(float(np.median(values)))
        assert found["median"] == found["worth"]
        below = (runs["val/loss"] < runs["constant"]) & (runs["status"] == "completed")
        assert found["succeeded"] == below.sum()
    runs = data["runs"]
    assert runs["job"] == table["job"].to_list()
    for i in (0, 17, 95):
        row = table.row(i, named=True)
        place = data["settings"][runs["setting"][i]]
        assert given_of(data, place) == [row[k] for k in keys]
        assert runs["metrics"]["val/loss"][i] == number(row["val/loss"])
        assert runs["overrides"][i] == row["overrides"]


def test_bands_are_quantiles_over_seeds(grid: Store, data: dict[str, Any]) -> None:
    curve = data["curves"][0]
    names = [key["name"] for key in data["keys"]]
    setting = given_of(data, data["settings"][curve["setting"]])
    runs = grid.read().filter(*(pl.col(k) == v for k, v in zip(names, setting, strict=True)))
    curves = grid.curves().filter(pl.col("run_id").is_in(runs["run_id"].to_list()))
    at = curves.filter(step=curve["step"][-1])["val/loss"]
    middle, low, high = (values[-1] for values in curve["of"]["val/loss"])
    wanted = [at.median(), at.min(), at.max()]  # of six runs no more are within 8 in 10
    assert [middle, low, high] == pytest.approx(wanted, rel=1e-5)


def test_a_message_cannot_break_out_of_the_page(sweep: Sweep) -> None:
    done = sweep(*GRID[:2], "seed=0", "description=a,'</script><b>'", "optimizer.lr=0.01,-1")
    text = page_of(done.store, done.table, LOSS)
    assert text.count("</script>") == 3
    assert [row[1] for row in data_of(text)["lost"]] == ["failed"] * 2


@given(st.floats())
def test_numbers_keep_six_digits(value: float) -> None:
    found = number(value)
    if not math.isfinite(value):
        assert found is None
    else:
        assert found == pytest.approx(value, rel=1e-5, abs=0)


@given(st.integers(0, 5000))
def test_shown_settings_are_distinct_and_hold_the_ends(count: int) -> None:
    shown = shown_settings(count)
    assert shown == sorted(set(shown))
    assert len(shown) == min(count, BEST + SPREAD)
    assert not count or (shown[0] == 0 and shown[-1] == count - 1)


def test_a_page_of_many_runs_is_small(grid: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what a browser can hold: sampled, and said."""
    monkeypatch.setattr("small_nets.page.contents.MOST_RUNS", 2_000)
    monkeypatch.setattr("small_nets.page.contents.MOST_SETTINGS", 500)
    table = grid.read()
    many = pl.concat([table] * 30).with_columns(
        job=pl.int_range(pl.len()), **{"optimizer.lr": pl.int_range(pl.len()) // 4 * 1e-4 + 1e-4}
    )
    data, runs, _ = contents(grid, many, LOSS)
    assert len(runs) == len(many) == 2_880
    assert len(data["runs"]["job"]) <= 2_000
    assert len(data["settings"]) == 500
    assert len(json.dumps(data)) < 8e5
    assert any("are on this page" in note for note in data["notes"])


@pytest.mark.parametrize(
    ("given", "values", "texts"),
    [
        (["37", "9", "null", "15"], [9, 15, 37, None], ["9", "15", "37", "null"]),  # widths
        ([0.5, None, 0.25], [0.25, 0.5, None], ["0.25", "0.5", "null"]),  # some choices lack it
        ([0.1, "abc", 0.01], [0.1, "abc", 0.01], ["0.1", "abc", "0.01"]),  # a run that failed
        (["[5,5]", "5"], ["[5,5]", "5"], ["[5,5]", "5"]),
        ([True, False], [True, False], ["true", "false"]),
        (["1_0", "٣"], ["1_0", "٣"], ["1_0", "٣"]),  # no numbers to a reader
    ],
)
def test_a_key_whose_values_are_numbers_has_them_in_order(
    given: list[Any], values: list[Any], texts: list[str]
) -> None:
    (key,) = _keys(["model.width"], [(value,) for value in given])
    assert (key["values"], key["texts"]) == (values, texts)
    assert key["number"] == all(v is None or type(v) in (int, float) for v in values)
    assert key["lacks"] == (None in values)


def test_which_losses_are_of_normalised_targets(sweep: Sweep, grid: Store) -> None:
    metrics = ["val/loss", "best/train/loss", "val/accuracy"]
    assert normalised_losses(grid, grid.read(), metrics) == {}
    done = sweep("+experiment=sine", "data.normalize_target=none,lp_norm:5", "seed=0,1",
                 "trainer.max_epochs=1")  # fmt: skip
    losses = ["val/loss", "best/train/loss"]
    some = normalised_losses(done.store, done.table, metrics)
    assert some == dict.fromkeys(losses, "some")
    one = done.table.filter(pl.col("data.normalize_target") == "lp_norm:5")
    assert normalised_losses(done.store, one, metrics) == dict.fromkeys(losses, "all")
