"""A run that fails, a sweep that cannot be, a place that is taken, a full disk."""

import re
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_lock import locked
from small_nets.system.sealed_json import seal
from tests.sweep.swept import MLP, Sweep


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
        assert "Settings by median train/loss" in done.text

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
