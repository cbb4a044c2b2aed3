"""A sweep from its overrides to its tables: plan, failures, resuming, extending, verifying."""

import json
import math
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from small_nets.commands import predict, report
from small_nets.config.components import NEEDED, OPTIMIZERS, Optimizer
from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.directory_lock import locked
from small_nets.run.outputs.weights import load_weights
from small_nets.sweep.jobs.plan import make_plan
from small_nets.sweep.results import verify
from small_nets.sweep.results.bootstrap import bootstrap_means
from small_nets.sweep.results.ranking import compare, rank
from small_nets.sweep.store import manifest
from small_nets.sweep.store.part import table_bytes
from small_nets.sweep.store.store import Store
from small_nets.sweep.training import in_process
from small_nets.sweep.training.progress import Bars
from small_nets.system.sealed_json import seal
from tests.conftest import Swept, plain_run, predicted

MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=40")
Sweep = Callable[..., Swept]


def numbers(table: pl.DataFrame) -> pl.DataFrame:
    """What must be equal to the bit between two sweeps of the same runs."""
    return table.drop("seconds")


def curves(store: Store) -> pl.DataFrame:
    return store.curves().sort("run_id", "step")


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
        done = sweep(*MLP, "model.width=5,10,[5,5]", "seed=range(3)")
        for name in ("loss.png", "fit.png"):
            assert (done.store.directory / name).stat().st_size > 10_000

    def test_summary(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer.lr=0.001,0.00001", "seed=range(6)")
        rows = re.findall(r"^(0\.001|1e-05) +6 +(\S+)", done.text, re.MULTILINE)
        assert [lr for lr, _ in rows] == ["0.001", "1e-05"]
        mean = done.table.filter(pl.col("optimizer.lr") == 0.001)["val/loss"].mean()
        assert float(rows[0][1]) == pytest.approx(mean, rel=1e-5)
        assert "The best is distinguishable from the second: paired over 6 seeds" in done.text
        assert f"sweep directory: {done.store.directory}" in done.text


class TestAgain:
    def test_only_what_is_missing(self, sweep: Sweep) -> None:
        first = sweep(*MLP, "seed=range(4)", "optimizer.lr=0.001,0.002")
        more = sweep(*MLP, "seed=range(6)", "optimizer.lr=0.001,0.002")
        assert "4 runs to train, 8 already there" in more.text
        whole = sweep(*MLP, "seed=range(6)", "optimizer.lr=0.001,0.002", to="whole")
        assert_frame_equal(numbers(more.table), numbers(whole.table))
        assert_frame_equal(curves(more.store), curves(whole.store))
        assert len(first.losses) == 8
        again = sweep(*MLP, "seed=range(6)", "optimizer.lr=0.001,0.002")
        assert "0 runs to train, 12 already there" in again.text
        assert again.losses == whole.losses

    def test_a_new_key_and_a_place_that_is_taken(self, sweep: Sweep) -> None:
        sweep(*MLP, "seed=0,1")
        more = sweep(*MLP, "optimizer.lr=0.001,0.002", "seed=0,1")
        table = more.table
        assert table["job"].to_list() == [0, 1, 2, 3]
        assert table["optimizer.lr"].to_list() == [0.001, 0.001, 0.002, 0.002]
        schemas = {str(pl.read_parquet_schema(p))
                   for p in (more.store.directory / "runs").iterdir()}  # fmt: skip
        assert len(schemas) == 1
        other = sweep(*MLP, "optimizer.lr=0.003", "seed=0,1").table
        assert other["job"].to_list() == [0, 1, 2, 3, 4, 5]
        assert other["optimizer.lr"].to_list()[4:] == [0.003, 0.003]
        mixed = sweep(*MLP, "model.width=8,[5,5]", "seed=0").table
        assert mixed["model.width"].to_list() == ["8"] * 6 + ["[5,5]"]

    def test_a_killed_sweep_goes_on(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        wanted = ("optimizer=sgd,adam,rmsprop", "seed=range(5)")
        whole = sweep(*MLP, *wanted, to="whole")
        real, parts = manifest._write_files, []

        def dies(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
            if len(parts) == 1:
                # As SIGKILL leaves it: some files of a part, and one that is half written.
                real(folder, name, {"curves": files["curves"]})
                (folder / "runs" / f"{name}.parquet.0123abcd.tmp").write_bytes(b"PA")
                raise GeneratorExit  # nobody catches it
            parts.append(name)
            real(folder, name, files)

        monkeypatch.setattr(manifest, "_write_files", dies)
        with pytest.raises(GeneratorExit):
            sweep(*MLP, *wanted)
        monkeypatch.setattr(manifest, "_write_files", real)
        done = sweep(*MLP, *wanted)
        assert "10 runs to train, 5 already there" in done.text
        assert_frame_equal(numbers(done.table), numbers(whole.table))
        assert_frame_equal(curves(done.store), curves(whole.store))
        assert not list(done.store.directory.rglob("*.tmp"))

    def test_ctrl_c_keeps_finished_parts(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = in_process.cohort_part

        def pressed(*arguments: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(in_process, "cohort_part", real)
            return real(*arguments)

        monkeypatch.setattr(in_process, "cohort_part", pressed)
        grid = (*MLP, "optimizer=sgd,adam,rmsprop,adagrad,momentum,adamw", "seed=range(5)")
        done = sweep(*grid)
        assert done.code == 130
        kept = len(done.table)
        assert 5 <= kept <= 15, "the part that was done, and those that ended beside it"
        assert "stopping; finished parts are kept" in done.text
        assert f"interrupted: {kept} runs are stored" in done.text
        assert f"sweep.dir={done.store.directory}" in done.text
        assert len(sweep(*grid).table) == 30

    def test_ctrl_c_twice(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        """At once, out of parts that would take hours; what was stored stays."""
        presses = []

        def pressed(_: Bars) -> None:
            while len(presses) < 2:
                presses.append(1)
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(Bars, "refresh", pressed)
        done = sweep("+experiment=temperature_mlp", "seed=range(5)", "trainer.max_epochs=10000000",
                     "log_every=1000000", "sweep.compile=false")  # fmt: skip
        assert done.code == 130
        assert len(presses) == 2
        assert (done.store.directory / "sweep.json").exists()

    def test_a_corrupt_part_is_moved_and_trained_again(self, sweep: Sweep) -> None:
        first = sweep(*MLP, "optimizer=sgd,adam", "seed=range(3)")
        kinds = {"runs": ".parquet", "weights": ".safetensors"}
        for kind, suffix in kinds.items():
            part = first.store.parts()[0]
            path = first.store.directory / kind / f"{part}{suffix}"
            path.write_bytes(path.read_bytes()[:100])
            done = sweep(*MLP, "optimizer=sgd,adam", "seed=range(3)")
            assert f"{path} was changed after it was written (3 runs): moved to" in done.text
            assert_frame_equal(numbers(done.table), numbers(first.table))
            assert list((first.store.directory / "corrupt").iterdir())

    def test_retries_what_failed(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:

        def unlucky(*arguments: Any) -> Any:
            raise MemoryError("not today")

        monkeypatch.setattr("small_nets.engines.fused.engine.Fused.train", unlucky)
        bad = sweep(*MLP, "seed=0,1", "optimizer=sgd,adam")
        assert bad.code == 1
        assert bad.table["status"].to_list() == ["failed"] * 4
        assert bad.table["message"][0] == "MemoryError: not today"
        monkeypatch.undo()
        again = sweep(*MLP, "seed=0,1", "optimizer=sgd,adam", "sweep.verify=1")
        whole = sweep(*MLP, "seed=0,1", "optimizer=sgd,adam", to="whole")
        assert_frame_equal(numbers(again.table), numbers(whole.table))

    def test_a_run_stored_twice_by_a_kill(self, sweep: Sweep) -> None:
        first = sweep(*MLP, "data.batch_size=3,99", "seed=0,1")
        failed = next(p for p in first.store.parts() if "_2_" in p and not
                      first.store.has_weights(p))  # fmt: skip
        store, known = first.store, first.store.checked.manifest(failed)
        rows = store.checked.rows(failed)
        assert rows is not None
        assert known is not None
        good = first.table.filter(status="completed").row(0, named=True)
        late = rows.head(1).with_columns(run_id=pl.lit(good["run_id"]), job=pl.lit(good["job"]))
        manifest.rewrite(store.directory, known, 1, {"runs": table_bytes(late)})
        assert first.table["status"].to_list() == ["completed"] * 2, "the better row counts"
        again = sweep(*MLP, "data.batch_size=3,99", "seed=0,1")
        assert again.table["run_id"].n_unique() == len(again.table) == 4

    def test_a_key_that_differs_from_the_command_before(self, sweep: Sweep) -> None:
        sweep(*MLP, "optimizer=sgd", "seed=0,1")
        more = sweep(*MLP, "optimizer=adam", "seed=0,1")
        assert more.table["optimizer"].to_list() == ["sgd", "sgd", "adam", "adam"]
        assert re.search(r"^sgd +2 ", more.text, re.MULTILINE)
        less = sweep(*MLP, "seed=0,1")
        assert "0 runs to train, 2 already there" in less.text

    def test_batches_of_a_grid(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer=sgd,adam", "seed=-1,1,2", size=2)
        assert done.code == 1
        assert done.table["status"].to_list() == [
            "failed", "completed", "completed", "failed", "completed", "completed"
        ]  # fmt: skip
        assert done.table["optimizer"].to_list() == ["sgd"] * 3 + ["adam"] * 3
        assert [math.isnan(x) for x in done.losses] == [True, False, False] * 2


class TestFailures:
    def test_per_run(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer.lr=0.001,abc", "model.width=5,0", "seed=0,1")
        table = done.table
        assert table["status"].to_list() == ["completed"] * 2 + ["failed"] * 6
        assert "model.width=0 is not allowed" in table["message"][2]
        # A column is of the type of its key; what it cannot hold stands beside it.
        assert table["optimizer.lr"].to_list() == [0.001] * 4 + [None] * 4
        assert table["typed"].to_list() == [None] * 4 + ['{"optimizer.lr": "abc"}'] * 4
        assert done.code == 1
        assert done.text.rstrip().endswith("(6 runs fail; this is the first message)")

    def test_fail_fast(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "model.width=5,0", "sweep.fail_fast=true")
        assert done.code == 1
        assert done.table["status"].to_list() == ["failed"]

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (("optimizer.lrr=1,2",), "optimizer.lrr does not exist"),
            (("optimizer.lr=abc", "seed=1,2"), "optimizer.lr=abc is not allowed"),
            (("data.batch_size=99", "seed=1,2"), "data.batch_size=99 does not suit"),
            (("sweep.memory=1KiB", "seed=1,2"), "sweep.memory=1KiB does not hold"),
            (("sweep.memory=lots", "seed=1,2"), "sweep.memory=lots is not allowed"),
            (("sweep.verify=-1", "seed=1,2"), "sweep.verify=-1 is not allowed"),
            (("engine=stacked,lightning",), "engine applies to the whole sweep"),
            (
                ("sweep.verify=1,2", "sweep.dry_run=true"),
                "sweep.verify applies to the whole sweep: it takes one value, not 1, 2",
            ),
        ],
    )
    def test_wrong_for_all(self, sweep: Sweep, overrides: Any, message: str) -> None:
        with pytest.raises(InputError, match=re.escape(message)):
            sweep(*MLP, *overrides, to="never")

    def test_nothing_is_left_of_a_refused_sweep(self, sweep: Sweep, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            sweep(*MLP, "optimizer.lr=abc", to="never")
        assert not (tmp_path / "never").exists()

    def test_another_sweeps_store(self, sweep: Sweep) -> None:
        first = sweep(*MLP, "seed=0,1")
        before = first.table
        with pytest.raises(
            InputError, match="holds a sweep of temperature_mlp, and this is one of"
        ):
            sweep("+experiment=proportional", "trainer.max_epochs=5", "seed=0,1")
        assert_frame_equal(first.table, before)
        about = first.store.directory / "sweep.json"
        for text in (seal(first.store.about | {"version": 99}), '{"version": 1, "jobs": {}}'):
            about.write_text(text)
            version = 99 if "99" in text else 1
            with pytest.raises(InputError, match=f"written in format {version}, and this"):
                sweep(*MLP, "seed=0,1")

    def test_a_place_that_is_no_sweeps(self, sweep: Sweep, tmp_path: Path) -> None:
        run = sweep(*MLP, "seed=0,1").store.directory / "0"
        (tmp_path / "file").touch()
        for place, what in ((run, "the directory of a single run"), (tmp_path / "file", "a file")):
            with pytest.raises(InputError, match=f"{place} is {what}"):
                sweep(*MLP, "seed=0,1", to=str(place))

    def test_a_store_in_use(self, sweep: Sweep) -> None:
        first = sweep(*MLP, "seed=0,1")
        with (
            locked(first.store.directory),
            pytest.raises(InputError, match=r"is in use: process \d+ on"),
        ):
            sweep(*MLP, "seed=0,1")

    def test_a_full_disk(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        first = sweep(*MLP, "seed=0,1")

        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device", "weights/x.tmp")

        monkeypatch.setattr("small_nets.sweep.store.part.tensors_to_bytes", full)
        with pytest.raises(InputError, match="No space left on device\nWhat was stored before is"):
            sweep(*MLP, "seed=0,1,2")
        monkeypatch.undo()
        assert first.table["seed"].to_list() == [0, 1]

    def test_with_and_without_a_validation_split(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "data.val_fraction=0,0.2", "seed=1,2")
        assert done.table["val/loss"].is_null().to_list() == [True, True, False, False]
        assert done.losses[:2] == done.table["train/loss"].to_list()[:2]
        assert done.losses[2:] == done.table["val/loss"].to_list()[2:]
        assert "Settings by mean train/loss" in done.text

    def test_verify_beside_failures(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "data.batch_size=3,99", "sweep.verify=1")
        assert done.code == 1
        assert len(re.findall("equal", done.text)) == 1

    def test_every_check_of_a_single_run(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "data.probe=null,[[1.0]],[[1.0,2.0]]")
        assert done.table["status"].to_list() == ["completed", "completed", "failed"]
        assert "data.probe=[[1.0,2.0]] is not allowed" in done.table["message"][2]

    def test_a_setting_read_from_a_bad_one(self, sweep: Sweep) -> None:
        done = sweep("+experiment=temperature_mlp", "log_every=${trainer.max_epochs}",
                     "trainer.max_epochs=10,0")  # fmt: skip
        assert done.table["status"].to_list() == ["completed", "failed"]
        assert "log_every=0 is not allowed" in done.table["message"][1]

    def test_duplicates_of_a_failure(self, sweep: Sweep) -> None:
        table = sweep(*MLP, "optimizer.lr=abc,0.001", "seed=1,1").table
        assert table["job"].to_list() == [0, 2]

    def test_duplicates_are_said_and_trained_once(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "seed=1,1,2")
        assert "2 runs to train, 1 given twice, trained once" in done.text
        assert len(done.table) == 2
        assert done.losses[0] == done.losses[1] != done.losses[2]


class TestPlan:
    def test_parts_of_several_sizes_at_once(self, sweep: Sweep) -> None:
        """Nothing is traced while other parts train: tracing patches torch for all threads."""
        done = sweep(
            "+experiment=temperature_mlp", "trainer.max_epochs=2", "sweep.directories=0",
            "model.width=[33,17],[34,17],[35,17]", "seed=range(150)", "data.batch_size=4",
        )  # fmt: skip
        assert done.table["status"].unique().to_list() == ["completed"]
        assert torch.nn.Module.__call__.__qualname__ == "Module._wrapped_call_impl"

    def test_dry_run_writes_nothing(self, sweep: Sweep, tmp_path: Path) -> None:
        done = sweep(*MLP, "optimizer=sgd,adam", "seed=range(5)", "sweep.dry_run=true", to="dry")
        assert "10 runs to train" in done.text
        assert re.search(r"optimizer=sgd +5 +1 +40 +fused", done.text)
        assert not (tmp_path / "dry").exists()

    def test_memory_cuts_parts(self, sweep: Sweep) -> None:
        small = sweep(*MLP, "seed=range(200)", "sweep.memory=1MiB", "sweep.directories=0", to="a")
        large = sweep(*MLP, "seed=range(200)", "sweep.directories=0", to="b")
        assert len(small.store.parts()) > len(large.store.parts())
        assert_frame_equal(numbers(small.table), numbers(large.table))

    def test_what_varies_inside_a_cohort(self, sweep: Sweep) -> None:
        text = sweep(
            *MLP, "optimizer=adam", "optimizer.lr=0.1,0.2", "optimizer.eps=1e-8,1e-6", "seed=1,2",
            "data.normalize_input=none,constant:0.1", "model.init=default,zeros",
            "trainer.gradient_clip_val=1,2", "sweep.dry_run=true",
        ).text  # fmt: skip
        assert re.search(r"all +64 +\d+ +40 +fused", text)

    def test_an_optimizer_without_a_rule_goes_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rprop = Optimizer("torch.optim.Rprop", {"lr": NEEDED}, rule=None)
        monkeypatch.setitem(OPTIMIZERS, "rprop", rprop)

        class Job:
            error, run_id, identity, overrides = None, "x", "x", ("a=1",)

            def settings(self) -> dict[str, Any]:
                found = compose_settings(*MLP)[0]
                return found | {"optimizer": {"_target_": "rprop", "lr": 0.1}}

        plan = make_plan([Job()])  # type: ignore[list-item]
        assert "torch.optim.Rprop has no update rule" in plan.alone[0][1]


class TestVerify:
    @pytest.mark.slow
    @pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here")
    def test_of_a_compiled_sweep(self, sweep: Sweep) -> None:
        done = sweep(
            *MLP, "optimizer=sgd,adam", "seed=range(3)", "engine=stacked", "sweep.compile=true",
            "sweep.verify=4",
        )  # fmt: skip
        assert done.code == 0
        assert set(done.table["engine"]) == {"stacked, compiled"}
        assert len(re.findall(r"completed +\S+e-\d+ +\S+e-\d+ .*equal", done.text)) == 4

    def test_prints_differences_and_bounds(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "seed=range(4)", "sweep.verify=2")
        assert "2 runs, drawn at random, trained again, alone and through Lightning" in done.text
        assert len(re.findall(r"completed +\S+e-\d+ +1\.0e-05 +equal", done.text)) == 2
        assert done.code == 0

    def test_of_runs_that_halving_stopped(self, sweep: Sweep) -> None:
        """Trained alone up to there, by the schedule of the whole run."""
        done = sweep(
            *MLP, "trainer.max_epochs=30", "optimizer.lr=0.001,0.01", "seed=0,1",
            "scheduler=cosine", "log_every=4", "early_stop={patience: 20}",
            "sweep.halving={factor: 2, first: 10}", "sweep.verify=4",
        )  # fmt: skip
        assert done.code == 0
        assert sorted(done.table["epochs"]) == [10, 10, 30, 30]
        assert not (done.store.directory / "paused").exists()  # of a rung alone
        for status in ("stopped", "completed"):
            assert len(re.findall(rf"{status} +\S+e\S\d+ +1\.0e-05 +equal", done.text)) == 2

    def test_fails_loudly(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        sweep(*MLP, "seed=range(4)")
        real = verify.alone

        def other(settings: dict[str, Any], *more: Any) -> Any:
            return real(settings | {"trainer": settings["trainer"] | {"max_epochs": 41}}, *more)

        monkeypatch.setattr(verify, "alone", other)
        done = sweep(*MLP, "seed=range(4)", "sweep.verify=1")
        assert done.code == 1
        assert "DIFFERENT" in done.text
        assert "Do not trust this sweep" in done.text


class TestRanking:
    table = pl.DataFrame(
        {
            "run_id": list("abcdefg"),
            "job": range(7),
            "status": ["completed"] * 5 + ["diverged", "failed"],
            "seed": [0, 1, 0, 1, 2, 2, 3],
            "optimizer": ["sgd", "sgd", "adam", "adam", "adam", "sgd", "sgd"],
            "val/loss": [1.0, 3.0, 0.5, 2.5, 0.0, math.inf, None],
        }
    )

    def test_mean_over_completed_seeds(self) -> None:
        adam, sgd = rank(self.table, ["optimizer", "seed"], "val/loss")
        assert (adam.setting, adam.n, adam.mean) == ({"optimizer": "adam"}, 3, 1.0)
        assert (sgd.n, sgd.mean, sgd.diverged, sgd.failed) == (2, 2.0, 1, 1)
        assert sgd.sd == pytest.approx(math.sqrt(2))

    def test_paired_by_seed(self) -> None:
        adam, sgd = rank(self.table, ["optimizer", "seed"], "val/loss")
        assert compare(adam, [sgd]) == [(2, 0.5, 0.5)]  # 0.5 higher for each of the shared seeds

    def test_bootstrap_covers_the_mean(self) -> None:
        generator = np.random.default_rng(1)
        low, high = bootstrap_means(generator.normal(3.0, 1.0, (40, 100)), draws=500)
        assert 86 <= ((low <= 3.0) & (high >= 3.0)).sum() <= 100

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
    def test_bootstrap_is_of_the_mean(self, values: list[float]) -> None:
        """Beside draws made one by one, with the same places; and between the extremes."""
        sample = np.array(values)
        (low,), (high,) = bootstrap_means(sample[:, None], draws=50)
        places = np.random.default_rng(0).integers(0, len(sample), (50, len(sample)))
        ends = np.percentile(sample[places].mean(axis=1), [2.5, 97.5])
        assert [low, high] == pytest.approx(ends, abs=1e-9 * max(1, np.abs(sample).max()))
        assert sample.min() - 1e-6 <= low <= high <= sample.max() + 1e-6

    def test_more_accuracy_is_better(self) -> None:
        table = self.table.rename({"val/loss": "val/accuracy"})
        sgd, adam = rank(table, ["optimizer", "seed"], "val/accuracy")
        assert (sgd.setting, sgd.best_job, adam.best_job) == ({"optimizer": "sgd"}, 1, 3)


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
