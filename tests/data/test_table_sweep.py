"""A sweep on a table is its single runs, and holds to one content."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from small_nets.commands import predict
from small_nets.config.errors import InputError
from small_nets.run.build.build import _fixed_table, build
from small_nets.run.build.compose import compose_settings
from small_nets.run.lightning.train import train_by_lightning
from small_nets.run.outputs.identity import run_id
from small_nets.run.result_contents import conclude
from small_nets.sweep.training.rows import quiet
from tests.conftest import Swept, predicted
from tests.data.tables import CLASSES, GOOD, own


def test_a_sweep_equals_its_single_runs(numbers: Path, sweep: Callable[..., Swept]) -> None:
    """Seeds, widths, optimizers and columns, through the engine."""
    base = (f"data.path={numbers}", "data=table", "data.target=y", "precision=64",
            "trainer.max_epochs=40", "logger=none", "sweep.directories=0")  # fmt: skip
    done = sweep(*base, "data.inputs=[a],[c,a]", "seed=0,1", "model.width=null,3",
                 "optimizer=adam")  # fmt: skip
    assert done.code == 0
    table = done.table
    assert set(table["engine"]) == {"fused"}
    assert len(table) == 8
    configs = done.store.configs()
    for row in table.filter(pl.col("job") % 3 == 0).iter_rows(named=True):
        stored = configs[row["run_id"]][0]
        alone = compose_settings(
            *base[:-1], f"data.inputs={row['data.inputs']}", f"seed={row['seed']}",
            f"model.width={row['model.width']}", "optimizer=adam",
        )[0]  # fmt: skip
        assert run_id(alone) == row["run_id"]
        assert stored["data"] == alone["data"]
        for name, value in _metrics_alone(alone).items():
            assert row[name] == pytest.approx(value, rel=1e-9), name
    assert {"train/r2", "train/rmse", "val/r2", "val/rmse"} <= set(table.columns)


def _metrics_alone(config: dict[str, Any]) -> dict[str, float]:
    run, silent = build(config), quiet()
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), silent)
    return conclude(run, ending, 0.0, silent)[0].metrics


def test_a_sweep_on_a_bad_table(tmp_path: Path, sweep: Callable[..., Swept]) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD + "1,abc,2\n")
    with pytest.raises(InputError, match="line 7, column 'b' is 'abc'"):
        sweep(*own(path), "seed=0,1")
    done = sweep(*own(path, "a"), "data.inputs=[a],[b]", "trainer.max_epochs=2", "logger=none")
    assert done.code == 1
    assert done.table["status"].to_list() == ["completed", "failed"]


def test_a_sweep_over_classes(flowers: Path, sweep: Callable[..., Swept]) -> None:
    done = sweep(*own(flowers, "sepal,petal", "species"), CLASSES, "seed=0,1", "logger=none",
                 "trainer.max_epochs=20")  # fmt: skip
    assert done.code == 0
    assert set(done.table["status"]) == {"completed"}
    assert done.table["val/accuracy"].is_not_null().all()
    rows = predicted(predict.read_run(done.store.directory / "1"), "[[0.0, 0.0]]")
    assert len(rows[0]["prediction"]) == 3


def test_a_sweep_holds_to_one_content(tmp_path: Path, sweep: Callable[..., Swept]) -> None:
    path = tmp_path / "my.csv"
    path.write_text(GOOD)
    more = ("seed=0,1", "trainer.max_epochs=2", "logger=none", "sweep.directories=0")
    done = sweep(*own(path), *more)
    job = done.store.directory / "1"
    path.unlink()
    assert len(predicted(predict.read_run(job), "[[1, 2]]")) == 1  # without its table
    with pytest.raises(InputError, match="is not there"):
        predicted(predict.read_run(job), None)
    path.write_text(GOOD + "1,1,1\n")
    _fixed_table.cache_clear()  # as another process would find it
    with pytest.raises(InputError, match="has changed since"):
        predicted(predict.read_run(job), None)
    with pytest.raises(InputError, match="another version of"):
        sweep(*own(path), *more)
