"""A sweep goes on: what is missing is trained, what is there stays."""

import math
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from small_nets.sweep.store import manifest
from small_nets.sweep.store.part import table_bytes
from small_nets.sweep.training import in_process
from small_nets.sweep.training.progress import Bars
from tests.sweep.swept import MLP, Sweep, curves, numbers


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

    @pytest.mark.more
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

    @pytest.mark.more
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

    @pytest.mark.more
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

    @pytest.mark.more
    def test_batches_of_a_grid(self, sweep: Sweep) -> None:
        done = sweep(*MLP, "optimizer=sgd,adam", "seed=-1,1,2", size=2)
        assert done.code == 1
        assert done.table["status"].to_list() == [
            "failed", "completed", "completed", "failed", "completed", "completed"
        ]  # fmt: skip
        assert done.table["optimizer"].to_list() == ["sgd"] * 3 + ["adam"] * 3
        assert [math.isnan(x) for x in done.losses] == [True, False, False] * 2
