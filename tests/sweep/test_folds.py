"""Cross-validation as an axis of a sweep: one number a seed, which is the mean over its folds."""

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from small_nets.search.objective import Outcome, judge
from small_nets.sweep.confirmation.confirm import FOLDER
from small_nets.sweep.results.folds import over_folds
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import EPOCHS, SUCCEEDED
from small_nets.sweep.store.store import Store
from tests.conftest import Answer, Swept
from tests.search.searched import MLP, RATE, trials_of

Sweep = Callable[..., Swept]
LOSS = Standard("val/loss")
TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=20")
FOLDS = ("data.folds=4",)


def table_of(losses: dict[tuple[str, int], list[float | None]]) -> pl.DataFrame:
    """A runs table. losses: (width, seed) -> the loss of each fold; None: no end yet."""
    rows = [
        {"run_id": f"{w}{s}{f}", "job": 100 * s + 10 * f + int(w), "model.width": w, "seed": s,
         "data.fold": f, "val/loss": loss, SUCCEEDED: loss is not None and loss < 3,
         EPOCHS: 10.0 * (f + 1) if loss is not None and loss < 3 else math.inf,
         "status": "stopped" if loss is None else
         "completed" if math.isfinite(loss) else "diverged"}
        for (w, s), some in losses.items() for f, loss in enumerate(some)
    ]  # fmt: skip
    return pl.DataFrame(rows).sort("job")


def test_a_seed_is_worth_the_mean_of_its_folds() -> None:
    table = table_of({
        ("5", 0): [1.0, 2.0, 6.0], ("5", 1): [2.0, 2.0, 2.0], ("5", 2): [0.0, 0.5, 1.0],
        ("8", 0): [0.0, 0.0, math.inf], ("8", 1): [1.0, 1.0, 1.0], ("8", 2): [1.0, 1.0, 4.0],
    })  # fmt: skip
    best, other = rank(table, ["model.width", "seed", "data.fold"], LOSS)
    assert (best.setting, best.n) == ({"model.width": "5"}, 3)
    assert sorted(best.values) == [0.5, 2.0, 3.0]
    assert (best.worth, best.succeeded, best.epochs) == (2.0, 2, 30.0)
    assert sorted(other.values) == [1.0, 2.0, math.inf]
    assert (other.worth, other.succeeded, other.diverged) == (2.0, 1, 1)
    assert best.scores == {(0,): 3.0, (1,): 2.0, (2,): 0.5}
    assert len(best.jobs) == 9
    assert best.best_job == 205  # seed 2, fold 0: the run, not the seed


def test_a_seed_counts_when_all_of_its_folds_have_ended() -> None:
    table = table_of({("5", 0): [1.0, 2.0, None], ("5", 1): [2.0, 2.0, 2.0]})
    (only,) = rank(table, ["seed", "data.fold"], LOSS)
    assert only.values.tolist() == [2.0]
    missing = table_of({("5", 0): [1.0, 2.0, 3.0], ("5", 1): [2.0, 2.0, 2.0]}).filter(
        ~((pl.col("seed") == 0) & (pl.col("data.fold") == 2))
    )
    (only,) = rank(missing, ["seed", "data.fold"], LOSS)
    assert only.values.tolist() == [2.0]


def test_without_folds_nothing_changes() -> None:
    table = table_of({("5", 0): [1.0], ("5", 1): [2.0]}).drop("data.fold")
    table = table.with_columns(pl.col("val/loss").alias(" value"))
    same = over_folds(table, ["model.width"], ["seed"])
    assert same.drop(" run").equals(table)


def test_all_folds_are_trained(sweep: Sweep) -> None:
    done = sweep(*TEMPERATURE, *FOLDS, "seed=range(5)", "optimizer.lr=0.001,0.01",
                 "sweep.confirm=1", "sweep.confirm_seeds=5")  # fmt: skip
    table = done.table
    assert len(table) == 40
    assert sorted(set(table["data.fold"])) == [0, 1, 2, 3]
    ranked = rank(table, list(done.store.swept), LOSS)
    assert [r.n for r in ranked] == [5, 5]
    means = table.group_by("optimizer.lr", "seed").agg(pl.col("val/loss").mean())
    medians = dict(means.group_by("optimizer.lr").agg(pl.col("val/loss").median()).iter_rows())
    for r in ranked:
        assert r.worth == pytest.approx(medians[r.setting["optimizer.lr"]])
    assert "The number of a seed is the mean over its 4 folds" in done.text
    assert "the initial weights and the cut into folds" in done.text
    fresh = Store(done.store.directory / FOLDER).read()
    assert len(fresh) == 20
    assert fresh.group_by("seed").len()["len"].to_list() == [4] * 5


def test_each_row_is_held_out_once(sweep: Sweep) -> None:
    done = sweep(*TEMPERATURE, *FOLDS, "seed=3")
    configs = [config for config, _ in done.store.configs().values()]
    assert {c["data"]["val_fraction"] for c in configs} == {0.0}
    again = sweep(*TEMPERATURE, *FOLDS, "seed=3")
    assert "4 already there" in again.text
    part = sweep(*TEMPERATURE, *FOLDS, "seed=3", "data.fold=1,2", to="two")
    assert sorted(part.table["data.fold"]) == [1, 2]


def test_halving_compares_seeds(sweep: Sweep) -> None:
    words = (*TEMPERATURE, *FOLDS, "seed=range(3)", "optimizer.lr=0.0001,0.001,0.01")
    done = sweep(*words, "sweep.halving={factor: 3, first: 10}")
    stopped = done.table.filter(pl.col("status") == "stopped")
    assert len(stopped) == 24
    assert stopped.group_by("optimizer.lr").len()["len"].to_list() == [12, 12]


def test_a_search_trains_all_folds(sweep: Sweep) -> None:
    done = sweep(*MLP, *FOLDS, RATE, "search.trials=4", "search.batch=2", "search.seeds=3")
    table = done.table
    assert len(table) == 4 * 3 * 4
    for trial in trials_of(done.store):
        mine = table.filter(pl.col("job").is_in(trial.user_attrs["jobs"]))
        assert len(mine) == 12
        means = mine.group_by("seed").agg(pl.col("val/loss").mean())
        assert trial.value == pytest.approx(means["val/loss"].median())


def test_a_trial_is_judged_by_seeds() -> None:
    values = [1.0, 3.0, 2.0, 2.0, 0.0, 1.0]
    runs = [Outcome("completed", v, i) for i, v in enumerate(values)]
    assert judge(runs, LOSS, folds=2).values == (2.0, 2.0, 0.5)
    assert judge(runs, LOSS, folds=2).jobs == tuple(range(6))
    runs[3] = Outcome("diverged", None, 3)
    verdict = judge(runs, LOSS, folds=2)
    assert (verdict.values, verdict.diverged, verdict.value) == ((2.0, None, 0.5), 1, 2.0)
    runs[3] = Outcome("failed", None, 3, "why")
    assert judge(runs, LOSS, folds=2).message == "why"


REFUSED = [
    (("data.folds=4", "data.val_fraction=0.3"), "each fold is once the validation split"),
    (("data.folds=12",), "there are 11 rows"),
    (("data.folds=4,5",), "a sweep has one number of folds"),
    (("data.fold=0,1",), "there are no folds"),
    (("data.folds=1",), "data.folds=1 is not allowed"),
    (("data.folds=4", "data.fold=4,5"), "numbered from 0"),
    (("data.folds=4", "data.val_fraction=0.1,0.2"), "each fold is once the validation split"),
    (("hydra/sweeper=search", "data.folds=4", "data.fold=0", "optimizer.lr=interval(0.1,1)"),
     "folds are not searched"),
]  # fmt: skip


@pytest.mark.every(4)
@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_is_refused(
    command: Callable[..., Answer], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = command("src.train", "-m", *TEMPERATURE, *words, f"sweep.dir={tmp_path / 'it'}")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "it" / "runs").exists()


def test_a_single_run_is_of_one_fold(command: Callable[..., Answer], tmp_path: Path) -> None:
    words = (*TEMPERATURE, *FOLDS, f"hydra.run.dir={tmp_path / 'it'}", "pictures=none")
    done = command("src.train", *words)
    assert done.code == 2
    assert "data.folds=4 trains 4 runs, and this is one." in done.err
    done = command("src.train", *words, "data.fold=2")
    assert done.code == 0
    assert "rows: train 8  val 3" in done.out


@pytest.mark.more
def test_by_hydras_own_launcher(command: Callable[..., Answer], tmp_path: Path) -> None:
    words = ("-m", "hydra/sweeper=basic", "hydra/launcher=basic", *TEMPERATURE, *FOLDS,
             f"sweep.dir={tmp_path / 'it'}", "pictures=none", "logger=none")  # fmt: skip
    done = command("src.train", *words)
    assert done.code != 0
    assert "also data.fold=0,1,2,3" in done.err
    done = command("src.train", *words[:-3], f"sweep.dir={tmp_path / 'two'}", *words[-2:],
                   "data.fold=0,1")  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.count("rows: train 8  val 3") == 2
