"""A sweep from its overrides to its tables, its directories and its pictures."""

import json
import math
import re
import shutil
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from small_nets.commands import predict, report
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.weights import load_weights
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.words import said_of_best
from small_nets.sweep.store.store import Store
from small_nets.system.sealed_json import seal
from tests.conftest import plain_run, predicted
from tests.sweep.swept import MLP, Sweep, curves


class TestWholeSweep:
    def test_table(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer=sgd,adam", "seed=range(3)")
        table = done.table
        assert table["job"].to_list() == list(range(6))
        assert table["optimizer"].to_list() == ["sgd"] * 3 + ["adam"] * 3
        assert table["seed"].to_list() == [0, 1, 2] * 2
        assert table["status"].unique().to_list() == ["completed"]
        assert table["engine"].unique().to_list() == ["fused"]
        assert done.losses == table["val/loss"].to_list()
        for row in table.iter_rows(named=True):
            overrides = [o.strip("'") for o in row["overrides"].split()]
            ending, _ = plain_run(compose_settings(*overrides)[0])
            assert row["val/loss"] == pytest.approx(ending.curves["val/loss"][-1], rel=1e-4)
            best = int(np.argmin(ending.curves["val/loss"]))
            assert row["best_step"] == ending.curves["step"][best]
            assert row["best/val/loss"] == pytest.approx(min(ending.curves["val/loss"]), rel=1e-4)
            assert (row["steps"], row["epochs"]) == (40, 40)

    def test_every_reader_reads_it(self, sweep: Sweep) -> None:
        import duckdb
        import pandas as pd

        done = sweep(*MLP, "model.width=5,[5,5]", "seed=range(3)")
        folder = done.store.directory
        ours = done.table
        pandas = pd.concat([pd.read_parquet(p) for p in sorted((folder / "runs").iterdir())])
        sql = f"select * from '{folder}/runs/*.parquet' order by job"
        duck = duckdb.connect().execute(sql).fetchall()
        assert sorted(pandas["job"]) == ours["job"].to_list() == [row[1] for row in duck]
        assert sorted(pandas["val/loss"]) == sorted(ours["val/loss"])
        assert ours["model.width"].to_list() == ["5"] * 3 + ["[5,5]"] * 3
        points = (
            duckdb.connect().execute(f"select count(*) from '{folder}/curves/*.parquet'").fetchall()
        )
        assert points == [(6 * 41,)]

    def test_run_directory(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer.lr=0.001,0.002", "data.normalize_target=standardize")
        folder = done.store.directory / "1"
        assert {p.name for p in folder.iterdir() if "events" not in p.name} == {
            ".hydra", "result.json", "weights.safetensors"
        }  # fmt: skip
        result = json.loads((folder / "result.json").read_text())
        row = done.table.row(1, named=True)
        assert result["run_id"] == row["run_id"]
        assert result["metrics"]["val/loss"] == row["val/loss"]
        assert len(result["curves"]["step"]) == 41
        weights = load_weights(folder / "weights.safetensors")
        ((_, stored),) = done.store.parameters([row["run_id"]])
        assert all(torch.equal(weights.parameters[n], stored[n]) for n in stored)
        (part,) = done.store.parts()
        places, tensors = done.store.weights(part)
        run = build(result["config"])
        assert run.data.target_normaliser is not None
        place = places[row["run_id"]]
        assert torch.equal(
            tensors["normaliser.target.shift"][place], run.data.target_normaliser.shift
        )
        overrides = (folder / ".hydra" / "overrides.yaml").read_text()
        assert "- optimizer.lr=0.002" in overrides
        assert "${seed}" in (folder / ".hydra" / "config.yaml").read_text()
        assert "num: 1" in (folder / ".hydra" / "hydra.yaml").read_text()

    def test_directories_are_written_without_reading_all_curves(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A million runs have a hundred million points."""
        curves = Store.curves

        def reads(store: Store, run_ids: Any = None, columns: Any = None) -> pl.DataFrame:
            assert (run_ids, columns) != (None, None), "all curves, with all columns"
            return curves(store, run_ids, columns)

        monkeypatch.setattr(Store, "curves", reads)
        done = sweep(*MLP, "seed=range(5)", "sweep.directories=2", "sweep.memory=1MiB")
        result = json.loads((done.store.directory / "0" / "result.json").read_text())
        curve = curves(done.store).filter(run_id=done.table["run_id"][0])
        for name in ("step", "train/loss", "val/loss"):
            assert result["curves"][name] == curve[name].to_list()

    def test_directories_of_a_large_sweep_are_those_of_the_best(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "seed=range(30)", "sweep.directories=20")
        written = {int(p.name) for p in done.store.directory.iterdir() if p.name.isdigit()}
        assert written == set(done.table.sort("val/loss")["job"][:10])
        assert "sweep.directories=30" in done.text

    def test_divergence_is_a_row(self, sweep: Sweep) -> None:
        done = sweep("+experiment=temperature_linear", "optimizer.lr=0.001,0.01,0.1", "seed=42,1")
        table = done.table
        assert table.filter(status="diverged")["optimizer.lr"].to_list() == [0.1, 0.1]
        assert table.filter(pl.col("seed") == 42)["diverged_step"].to_list() == [None, None, 26]
        assert table.filter(status="completed")["hessian/lambda_max"].is_not_null().all()
        assert done.code == 0
        assert "6 runs: 4 completed, 2 diverged" in done.text
        last = curves(done.store).filter(pl.col("run_id") == table["run_id"][4])
        assert last["step"].to_list() == [0, 20, 26]

    def test_mixed_cohorts_alone_and_untrained(self, sweep: Sweep) -> None:
        done = sweep("+experiment=proportional,spam", "trainer.max_epochs=0", "seed=1,2")
        table = done.table
        assert table["engine"].to_list() == ["fused", "fused", "lightning", "lightning"]
        assert "no target" in table["reason"][2]
        assert table["train/loss"].is_null().to_list() == [False, False, True, True]
        assert all(math.isnan(x) for x in done.losses[2:])
        assert "Alone, through Lightning" in done.text

    def test_engine_lightning_goes_alone_with_the_same_numbers(self, sweep: Sweep) -> None:
        both = [
            sweep(*MLP, "seed=1,2", *more, to=to)
            for to, more in (("a", ()), ("b", ("engine=lightning",)))
        ]
        assert both[1].table["reason"].to_list() == ["engine=lightning"] * 2
        for name in ("train/loss", "val/loss", "best/val/loss"):
            a, b = (done.table[name].to_list() for done in both)
            assert a == pytest.approx(b, rel=1e-4)
        assert both[0].table["run_id"].to_list() == both[1].table["run_id"].to_list()

    def test_pictures_of_few_settings(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "model.width=5,10,[5,5]", "seed=range(3)", "pictures=few")
        for name in ("loss.png", "fit.png"):
            assert (done.store.directory / name).stat().st_size > 3_000

    def test_no_pictures(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "trainer.max_epochs=1", "pictures=none")
        assert not list(done.store.directory.rglob("*.png"))
        assert "pictures:" not in done.text

    def test_summary(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer.lr=0.001,0.00001", "seed=range(10)")
        rows = re.findall(r"^(0\.001|1e-05) +10 +(\S+)", done.text, re.MULTILINE)
        assert [lr for lr, _ in rows] == ["0.001", "1e-05"]
        middle = done.table.filter(pl.col("optimizer.lr") == 0.001)["val/loss"].median()
        assert rows[0][1] == f"{middle:.4g}"
        loss = Standard("val/loss")
        ranked = rank(done.table, list(done.store.swept), loss)
        assert all(line in done.text for line in said_of_best(ranked, loss))
        assert "(under the same 10 seeds" in done.text
        assert f"sweep directory: {done.store.directory}" in done.text


@pytest.mark.more
def test_directories_of_runs_that_went_on(sweep: Sweep) -> None:
    """What halving stopped, looked at and then trained to its end: nothing of it stays behind."""
    grid = (*MLP, "optimizer.lr=0.001,0.01", "seed=1", "data.val_fraction=0.2")
    halved = sweep(*grid, "sweep.halving={factor: 2, first: 10}")
    (stopped,) = halved.table.filter(status="stopped")["job"]
    directory = halved.store.directory / str(stopped)
    report.main([str(halved.store.directory), "--tensorboard", str(stopped)])
    assert json.loads((directory / "result.json").read_text())["status"] == "stopped"
    short = predicted(predict.read_run(directory), "[[20.0], [70.0]]")
    (directory / "parts.png").write_text("small-nets")  # the mark of what we have drawn
    kept = (halved.store.directory / str(1 - stopped) / "result.json").stat().st_mtime_ns
    done, plain = sweep(*grid), sweep(*grid, to="plain")
    assert done.table["status"].to_list() == ["completed"] * 2
    found = json.loads((directory / "result.json").read_text())
    assert (found["status"], found["epochs"]) == ("completed", 40)
    wanted = predicted(predict.read_run(plain.store.directory / str(stopped)),
                             "[[20.0], [70.0]]")  # fmt: skip
    assert predicted(predict.read_run(directory), "[[20.0], [70.0]]") == wanted != short
    assert not (directory / "parts.png").exists()
    other = halved.store.directory / str(1 - stopped) / "result.json"
    assert other.stat().st_mtime_ns == kept  # what is right stays as it is
    other = {k: v for k, v in found.items() if k != "digest"} | {"status": "diverged", "epochs": 3}
    (directory / "result.json").write_text(seal(other))
    report.main([str(done.store.directory), "--tensorboard", str(stopped)])
    again = json.loads((directory / "result.json").read_text())
    assert (again["status"], again["metrics"]) == ("completed", found["metrics"])


def test_predict_from_the_store(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    """SWEEP/JOB works where the sweep was too large for a directory each, to the bit."""
    done = sweep(*MLP, "model.width=3,4", "data.normalize_target=standardize", "seed=3,0.5")
    run = done.store.directory / "2"
    wanted = predicted(predict.read_run(run), "[[20.0], [70.0]]")
    shutil.rmtree(run)
    assert predicted(predict.read_run(run), "[[20.0], [70.0]]") == wanted
    for job, words in (("1", "failed, so that nothing was trained: seed=0.5"),
                       ("7", "there is no run 7: the sweep has 4 runs")):  # fmt: skip
        with pytest.raises(SystemExit):
            predict.main([str(done.store.directory / job)])
        assert words in capsys.readouterr().err
