"""Halving a sweep: who stops, with which numbers, and that the rest go on as if nothing was."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from small_nets.config.errors import InputError
from small_nets.engines.cohort import Interrupted
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.journal import look_at
from small_nets.sweep.cohorts import start
from small_nets.sweep.halving.rungs import SuccessiveHalving, Verdict
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
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
            s.store.curves().filter(pl.col("run_id").is_in(ids)).sort("run_id", "step")
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

    @pytest.mark.every(3)
    @pytest.mark.parametrize("at", [20, 40, 80])
    def test_goes_on_where_it_was(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        whole, real = sweep(*GRID, HALVING, to="whole"), SuccessiveHalving.decide

        def dies(field: SuccessiveHalving, rung: Store, epoch: int) -> Verdict:
            if epoch == at:
                raise Interrupted
            return real(field, rung, epoch)

        monkeypatch.setattr(SuccessiveHalving, "decide", dies)
        stopped = sweep(*GRID, HALVING)
        assert stopped.code == 130
        assert f"have come to epoch {at}" in stopped.text
        monkeypatch.undo()
        reached = sweep(*GRID, HALVING, "sweep.dry_run=true")
        assert (reached.store.directory / "rungs" / f"{at:09d}").is_dir()
        done = sweep(*GRID, HALVING)
        assert_frame_equal(rows(done), rows(whole), check_exact=True)

    @pytest.mark.more
    def test_a_whole_sweep_of_what_was_stopped(self, sweep: Sweep) -> None:
        sweep(*GRID, HALVING)
        again = sweep(*GRID, HALVING)
        assert "0 runs to train, 24 already there" in again.text
        done, whole = sweep(*GRID), sweep(*GRID, to="whole")
        assert "20 runs to train, 4 already there" in done.text
        assert_frame_equal(rows(done), rows(whole), check_exact=True)

    @pytest.mark.more
    def test_some_of_what_was_stopped(self, sweep: Sweep) -> None:
        sweep(*GRID, HALVING)
        done, whole = sweep(*GRID, "seed=range(2)"), sweep(*GRID, to="whole")
        assert dict(done.table.group_by("status").len().iter_rows())["stopped"] == 10
        ids = done.table.filter(status="completed")["run_id"].to_list()
        found = list(done.store.parameters(ids))
        assert len(found) == len(ids), "and none of what they were before"
        theirs = dict(whole.store.parameters(ids))
        for run_id, parameters in found:
            for name, values in parameters.items():
                assert values.equal(theirs[run_id][name])

    def test_several_cohorts_diverged_failed_and_alone(self, sweep: Sweep) -> None:
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "seed=1,2")
        done = sweep(*grid, "model.width=3,5,[2,2]", "optimizer.lr=0.001,0.01,1e30,abc",
                     "sweep.halving={factor: 3, first: 10}")  # fmt: skip
        assert dict(done.table.group_by("status").len().iter_rows()) == {
            "completed": 6, "stopped": 6, "diverged": 6, "failed": 6,
        }  # fmt: skip
        assert done.code == 1
        slow = ("engine=lightning", "sweep.halving={first: 10}")
        alone = sweep(*grid, "optimizer.lr=0.001,0.01", *slow, to="alone")
        assert "4 runs that go alone are not halved" in alone.text
        assert alone.table["status"].to_list() == ["completed"] * 4

    def test_nobody_reaches_the_next_rung(self, sweep: Sweep) -> None:
        hopeless = ("seed=range(2)", "optimizer.lr=1e9,1e8")
        done = sweep("+experiment=temperature_mlp", "trainer.max_epochs=90", *hopeless, HALVING)
        assert done.table["status"].to_list() == ["diverged"] * 4
        assert done.code == 0

    def test_epochs_swept(self, sweep: Sweep) -> None:
        """Who ends before a rung has nothing left to be stopped, and takes no place there."""
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=10,90", "log_every=10",
                "seed=range(2)", "optimizer.lr=0.001,0.01")  # fmt: skip
        done = sweep(*grid, HALVING)
        table = done.table.group_by("trainer.max_epochs", "status").len()
        assert set(table.iter_rows()) == {
            (10, "completed", 4), (90, "completed", 2), (90, "stopped", 2),
        }  # fmt: skip
        assert "epoch 20: 1 of 2 settings go on" in done.text
        short = done.table.filter(pl.col("trainer.max_epochs") == 10)
        for part in done.store.parts():  # as if the short ones had not been stored
            path = done.store.directory / "runs" / f"{part}.parquet"
            if short["run_id"][0] in pl.read_parquet(path)["run_id"]:
                path.unlink()
        again = sweep(*grid, HALVING)
        assert_frame_equal(rows(again), rows(done), check_exact=True)

    def test_who_ended_before_counts(self, sweep: Sweep) -> None:
        """A setting is judged by all its seeds, not by those that still train."""
        lr = "optimizer.lr=0.0003,0.03,0.05,0.08"
        done = sweep("+experiment=temperature_mlp", "trainer.max_epochs=90", "log_every=5",
                     "seed=range(6)", lr, "early_stop={patience: 1}", HALVING)  # fmt: skip
        table = done.table
        first = table.filter((pl.col("status") == "completed") & (pl.col("epochs") < 20))
        assert len(first), "some stop early before the first rung"
        at_20 = table.with_columns(
            pl.when(pl.col("epochs") <= 20).then(pl.col("val/loss")).alias("then")
        )
        stopped = at_20.filter((pl.col("status") == "stopped") & (pl.col("epochs") == 20))
        medians = at_20.group_by("optimizer.lr").agg(pl.col("then").median(), pl.len())
        known = {lr: value for lr, value, _ in medians.iter_rows() if value is not None}
        worse = set(stopped["optimizer.lr"])
        assert all(known[a] >= known[b] for a in worse for b in set(known) - worse)
        ranks = rank(table, ["seed", "optimizer.lr"], Standard("val/loss"))
        is_stopped = [r.stopped is not None for r in ranks]
        assert is_stopped == sorted(is_stopped), "what halving stopped comes last"

    def test_extended_is_as_if_begun_so(self, sweep: Sweep) -> None:
        grid = ("+experiment=temperature_mlp", "trainer.max_epochs=90", "log_every=10", HALVING)
        lr, more = "optimizer.lr=0.001,0.01", "optimizer.lr=0.001,0.01,0.03,0.05"
        sweep(*grid, "seed=range(4)", lr)
        sweep(*grid, "seed=range(6)", lr)
        done = sweep(*grid, "seed=range(6)", more)
        whole = sweep(*grid, "seed=range(6)", more, to="whole")
        # Who had come to its end stays so; all others are as in the undisturbed sweep.
        keys = ["seed", "optimizer.lr"]
        found = done.table.join(whole.table, on=keys, suffix=" whole")
        other = found.filter(pl.col("status") != pl.col("status whole"))
        assert set(other["status"]) <= {"completed"}
        same = found.filter(pl.col("status") == pl.col("status whole"))
        assert same["val/loss"].to_list() == same["val/loss whole"].to_list()
        assert same["epochs"].to_list() == same["epochs whole"].to_list()
        seeds = same.filter(status="completed").group_by("optimizer.lr").len()
        assert seeds["len"].to_list() == [6], "the best setting has all its seeds"

    @pytest.mark.more
    @pytest.mark.parametrize("fail_fast", [False, True])
    def test_a_failed_run_is_tried_again(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, fail_fast: bool
    ) -> None:
        asked = (*GRID, HALVING, f"sweep.fail_fast={fail_fast}")
        whole, real = sweep(*asked, to="whole"), start._refused

        def fails(optimizer: dict[str, Any], tried: dict[str, str | None]) -> str | None:
            rains = optimizer["lr"] == 0.01 and optimizer["_target_"] == "sgd"
            return "it rains" if rains else real(optimizer, tried)

        monkeypatch.setattr(start, "_refused", fails)
        done = sweep(*asked)
        assert done.code == 1
        assert "it rains" in done.text
        failed = done.table.filter(status="failed")
        assert set(failed["message"]) == {"it rains"}
        monkeypatch.undo()
        again = sweep(*asked)
        assert again.code == 0
        assert_frame_equal(rows(again), rows(whole), check_exact=True)

    @pytest.mark.more
    def test_leftover_rungs(self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
        def dies(*_: object) -> Verdict:
            raise Interrupted

        monkeypatch.setattr(SuccessiveHalving, "decide", dies)
        assert sweep(*GRID, HALVING).code == 130
        monkeypatch.undo()
        done, whole = sweep(*GRID), sweep(*GRID, to="whole")
        assert_frame_equal(rows(done), rows(whole), check_exact=True)
        assert not (done.store.directory / "rungs").exists()

    def test_batches_are_refused(self, sweep: Sweep) -> None:
        with pytest.raises(InputError, match=r"hydra.sweeper.max_batch_size=3 would cut"):
            sweep(*GRID, HALVING, "hydra.sweeper.max_batch_size=3")

    def test_too_few_epochs(self, sweep: Sweep) -> None:
        with pytest.raises(InputError, match=r"but trainer.max_epochs=90: all have ended by then"):
            sweep(*GRID, "sweep.halving={first: 90}")


@pytest.mark.more
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
    study = look_at(done.store.directory / STUDY)[0]
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


@pytest.mark.more
def test_a_search_for_the_epochs_is_halved(sweep: Sweep) -> None:
    """A batch of short trials alone is no reason to refuse what the space holds."""
    space = (
        *("hydra/sweeper=search", "+experiment=temperature_mlp", "optimizer.lr=0.001"),
        *("search.batch=1", "search.trials=4", "search.seeds=2", "search.sampler=random"),
    )
    done = sweep(*space, "trainer.max_epochs=choice(10,60)", HALVING)
    assert done.code == 0
    assert set(done.table["trainer.max_epochs"]) == {10, 60}
    with pytest.raises(InputError, match=r"trainer.max_epochs=15: all have ended by then"):
        sweep(*space, "trainer.max_epochs=choice(10,15)", HALVING, to="short")


def test_a_search_whose_last_setting_diverges(sweep: Sweep) -> None:
    done = sweep(
        "hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=60",
        "optimizer.lr=choice(1e8,1e9)", "search.batch=2", "search.trials=4", "search.seeds=2",
        "sweep.halving={factor: 2, first: 20}",
    )  # fmt: skip
    assert done.code == 0
    assert set(done.table["status"]) == {"diverged"}
