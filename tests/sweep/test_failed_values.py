"""A value that is no value of its key: a failed row, and a sweep that holds whatever follows."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2

from small_nets.config.schema import FIELDS, kind_of
from small_nets.page.contents import contents
from small_nets.page.export import export, ranking_table
from small_nets.sweep.results.ranking import rank, settings_of
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import rules_of, with_success
from small_nets.sweep.store.columns import as_column
from small_nets.sweep.store.store import Store
from tests.conftest import Swept

Sweep = Callable[..., Swept]
TRAIN = ("+experiment=temperature_mlp", "trainer.max_epochs=4", "seed=1,2")
BAD = ["nan", "inf", "-inf", "1e999", "abc", "true", "[0.1]", "{a:1}", "''", "'???'", "-1", "null"]

LOSS = Standard("val/loss")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """A sweep of which all but one setting fail, by one key or another."""
    import io

    from rich.console import Console

    from small_nets.commands.python_api import call

    folder = tmp_path_factory.mktemp("broken") / "s"
    text = io.StringIO()
    console = Console(file=text, width=160, markup=False)
    grid = [f"optimizer.lr=0.01,{','.join(BAD)}", "model.width=4,nan"]
    found = call([f"sweep.dir={folder}", *TRAIN, *grid], console)
    return Swept(Store(folder), text.getvalue(), found.losses, found.code)


def test_rows(broken: Swept) -> None:
    table = broken.table
    assert broken.code == 1
    # -inf has another text than inf, and 1e999 has the same.
    counts = dict(table.group_by("status").len().iter_rows())
    assert counts == {"completed": 2, "failed": 2 * (2 * len(BAD) - 1)}
    failed = table.filter(status="failed")
    assert failed["message"].str.contains("is not allowed|has no value").all()
    schema = {key: str(table.schema[key]) for key in ("optimizer.lr", "model.width", "seed")}
    assert schema == {"optimizer.lr": "Float64", "model.width": "String", "seed": "Int64"}
    assert table["optimizer.lr"].is_finite().fill_null(value=True).all()
    typed = {json.loads(t)["optimizer.lr"] for t in failed["typed"].drop_nulls()}
    assert typed == {"nan", "inf", "-inf", "abc", "true", "[0.1]", "{a: 1}", "''", "'???'"}


def test_settings(broken: Swept) -> None:
    ranked = rank(broken.table, list(broken.store.swept), LOSS)
    settings = {tuple(r.setting.values()) for r in ranked}
    assert len(settings) == len(ranked) == 2 * len(BAD)
    assert [(r.n, r.failed) for r in ranked[:1]] == [(2, 0)]
    assert {(r.n, r.failed, r.worth) for r in ranked[1:]} == {(2, 2, math.inf)}
    assert set(settings_of(broken.table, ["optimizer.lr", "model.width"])) == settings


def test_what_is_made_of_it(broken: Swept) -> None:
    store, table = broken.store, broken.table
    ranked = rank(table, list(store.swept), LOSS)
    page, *_ = contents(store, with_success(store, table, rules_of(store, table)), LOSS)
    json.dumps(page, allow_nan=False)
    texts = {key["name"]: key["texts"] for key in page["keys"]}
    assert {"nan", "'???'", "null", "0.01"} <= set(texts["optimizer.lr"])
    found = ranking_table(ranked, LOSS)
    assert found.schema["optimizer.lr"] == pl.Float64
    assert "optimizer.lr=nan" in found["typed"].to_list()
    for form in ("csv", "parquet", "md"):
        for path in export(store, table, ranked, LOSS, form):
            assert path.stat().st_size
    assert "nan" in broken.text
    # In TensorBoard a number has no text among its values.
    kinds: dict[str, set[str]] = {}
    for file in store.directory.rglob("*.sweep"):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                content = plugin_data_pb2.HParamsPluginData.FromString(  # type: ignore
                    value.metadata.plugin_data.content
                )
                for key, param in content.session_start_info.hparams.items():
                    kinds.setdefault(key, set()).add(param.WhichOneof("kind"))
    assert kinds[" optimizer.lr"] == {"number_value"}
    assert kinds[" model.width"] == {"string_value"}


@pytest.mark.more
def test_the_sweep_goes_on(sweep: Sweep) -> None:
    """Resumed, and extended by values, by seeds, and by a key."""
    first = sweep(*TRAIN, "logger=none", "optimizer.lr=0.01,nan")
    again = sweep(*TRAIN, "logger=none", "optimizer.lr=0.01,nan")
    assert again.table.drop("seconds").equals(first.table.drop("seconds"))
    sweep(*TRAIN, "logger=none", "optimizer.lr=0.01,nan,0.02,abc", "seed=1,2,x")
    more = sweep(*TRAIN, "logger=none", "optimizer.lr=0.01,inf", "model.bias=true,0")
    table = more.table
    assert dict(table.group_by("status").len().iter_rows()) == {"completed": 4, "failed": 14}
    ranked = rank(table, list(more.store.swept), LOSS)
    best = {r.setting["optimizer.lr"]: (r.n, r.failed) for r in ranked if r.best_job is not None}
    assert best == {0.01: (3, 1), 0.02: (3, 1)}  # seed=x is a seed of its setting


@pytest.mark.parametrize("key", FIELDS)
def test_no_column_takes_what_it_cannot_hold(key: str) -> None:
    values: list[Any] = [None, True, 3, 10**30, 0.5, float("nan"), float("inf"), "a", "", [1], {}]
    kinds = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "text": pl.String}
    kind = kinds[kind_of(key)]
    column = pl.Series([as_column(value, kind) for value in values], dtype=kind)
    assert len(column) == len(values)


def test_a_directory_survives(broken: Swept, sweep: Sweep, tmp_path: Path) -> None:
    """Read by a new process, and gone on with: no value of it stands in the way."""
    store, before = Store(broken.store.directory), broken.table
    assert store.read().equals(before)
    done = sweep(*TRAIN, "optimizer.lr=0.01", to=str(store.directory))
    assert done.code == 0
    assert len(done.table) == len(before) + 2  # the width of the experiment is another
