"""Halving a sweep: who stops, with which numbers, and that the rest go on as if nothing was."""

from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from src.engines.cohort import Interrupted
from src.errors import InputError
from src.search.study import read_study
from src.sweep import halve
from tests.conftest import Swept

Sweep = Callable[..., Swept]
GRID = (
    *("+experiment=temperature_mlp", "trainer.max_epochs=90", "log_every=10"),
    *("seed=range(4)", "optimizer=sgd,adam", "optimizer.lr=0.001,0.01,0.05"),
)
HALVING = "sweep.halving={factor: 2, first: 20}"


def rows(done: Swept, *statuses: str) -> pl.DataFrame:
    table = done.table.filter(pl.col("status").is_in(statuses)) if statuses else done.table
    return table.drop("seconds")


class TestHalving:
    def test_who_goes_on_is_what_it_would_have_been(self, sweep: Sweep) -> None:
        done, whole = sweep(*GRID, HALVING), sweep(*GRID, to="whole")
        counts = dict(done.table.group_by("epochs").len().iter_rows())
        assert counts == {20: 12, 40: 4, 80: 4, 90: 4}  # of 6 settings 3, 2, 1 go on
        best = rows(done, "completed")
        ids = best["run_id"].to_list()
        same = rows(whole).filter(pl.col("run_id").is_in(ids))
        assert_frame_equal(best, same.select(best.columns), check_exact=True)
        curves = [
            s.store.read("curves").filter(pl.col("run_id").is_in(ids)).sort("run_id", "step")
            for s in (done, whole)
        ]
        assert_frame_equal(curves[0], curves[1], check_exact=True)
        parameters = [dict(s.store.parameters(ids)) for s in (done, whole)]
        for run_id in ids:
            for name, values in parameters[0][run_id].items():
                assert values.equal(parameters[1][run_id][name])
        assert not (done.store.directory / "rungs").exists()

    def test_who_stops_is_a_shorter_run(self, sweep: Sweep) -> None:
        done = sweep(*GRID, HALVING)
        stopped = rows(done, "stopped").filter(pl.col("epochs") == 20)
        short = sweep(*GRID, "trainer.max_epochs=20", to="short").table
        keys = ["seed", "optimizer", "optimizer.lr", "train/loss", "val/loss", "best/val/loss"]
        same = short.join(stopped, on=keys[:3], how="semi", maintain_order="left")
        assert_frame_equal(stopped.select(keys), same.select(keys), check_exact=True)
        medians = short.group_by("optimizer", "optimizer.lr").agg(pl.col("val/loss").median())
        order = medians.sort("val/loss").drop("val/loss")
        ranks = stopped.group_by("optimizer", "optimizer.lr").agg(pl.col("stopped_rank").first())
        for place, setting in enumerate(order.iter_rows(), 1):
            found = ranks.filter(optimizer=setting[0]).filter(pl.col("optimizer.lr") == setting[1])
            assert found["stopped_rank"].to_list() == ([] if place <= 3 else [place])

    def test_summary(self, sweep: Sweep) -> None:
        done = sweep(*GRID, HALVING)
        assert "epoch 20: 3 of 6 settings go on, the best so far optimizer=" in done.text
        assert "24 runs: 4 completed, 20 stopped" in done.text
        assert "epoch 20, place 6" in done.text

    @pytest.mark.parametrize("at", [20, 40, 80])
    def test_goes_on_where_it_was(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        whole, real = sweep(*GRID, HALVING, to="whole"), halve._decide

        def dies(
            rung: object, store: object, ids: object, halving: object, epoch: int, *more: object
        ):
            if epoch == at:
                raise Interrupted
            return real(rung, store, ids, halving, epoch, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(halve, "_decide", dies)
        assert sweep(*GRID, HALVING).code == 130
        monkeypatch.undo()
        reached = sweep(*GRID, HALVING, "sweep.dry_run=true")
        assert (reached.store.directory / "rungs" / f"{at:09d}").is_dir()
        done = sweep(*GRID, HALVING)
        assert_frame_equal(rows(done), rows(whole), check_exact=True)

    def test_a_whole_sweep_of_what_was_stopped(self, sweep: Sweep) -> None:
        sweep(*GRID, HALVING)
        again = sweep(*GRID, HALVING)
        assert "0 runs to train, 24 already there" in again.text
        done, whole = sweep(*GRID), sweep(*GRID, to="whole")
        assert "20 runs to train, 4 already there" in done.text
        assert_frame_equal(rows(done), rows(whole), check_exact=True)

    def test_several_cohorts_diverged_failed_and_alone(self, sweep: Sweep) -> None:
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "seed=1,2")
        done = sweep(*grid, "model.width=3,5,[2,2]", "optimizer.lr=0.001,0.01,1e9,abc",
                     "sweep.halving={factor: 3, first: 10}")  # fmt: skip
        assert dict(done.table.group_by("status").len().iter_rows()) == {
            "completed": 6, "stopped": 6, "diverged": 6, "failed": 6,
        }  # fmt: skip
        assert done.code == 1
        slow = ("engine=lightning", "sweep.halving={first: 10}")
        alone = sweep(*grid, "optimizer.lr=0.001,0.01", *slow, to="alone")
        assert alone.table["status"].to_list() == ["completed"] * 4

    def test_too_few_epochs(self, sweep: Sweep) -> None:
        with pytest.raises(InputError, match=r"but trainer.max_epochs=90: all have ended by then"):
            sweep(*GRID, "sweep.halving={first: 90}")


def test_decay_and_none_are_two_programs(sweep: Sweep) -> None:
    grid = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "seed=1,2", "optimizer.lr=0.01")
    both = sweep(*grid, "optimizer.weight_decay=0,0.5,0.1")
    for decay in (0, 0.5, 0.1):
        one = sweep(*grid, f"optimizer.weight_decay={decay}", to=f"one{decay}").table
        same = both.table.filter(pl.col("optimizer.weight_decay") == decay)
        assert same["train/loss"].to_list() == one["train/loss"].to_list()
    assert both.table["train/loss"].n_unique() == 6


def test_a_search_prunes_what_halving_stops(sweep: Sweep) -> None:
    done = sweep(
        "hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=60",
        "optimizer.lr=tag(log, interval(1e-4, 0.05))", "search.trials=8", "search.batch=4",
        "search.seeds=2", "sweep.halving={factor: 2, first: 20}", "sweep.directories=0",
    )  # fmt: skip
    study = read_study(done.store.directory)
    assert study is not None
    states = [trial.state.name for trial in study.trials]
    assert (states.count("COMPLETE"), states.count("PRUNED")) == (2, 6)  # 4, 2, 1 of each batch
    assert "8 trials, 6 stopped by halving" in done.text
    table = done.table
    for trial in study.trials:
        runs = table.filter(pl.col("job").is_in(trial.user_attrs["jobs"]))
        reached = runs["val/loss"].median()
        if trial.state.name == "PRUNED":
            assert runs["status"].to_list() == ["stopped"] * 2
            assert trial.intermediate_values == {runs["epochs"][0]: pytest.approx(reached)}
        else:
            assert trial.value == pytest.approx(reached)
