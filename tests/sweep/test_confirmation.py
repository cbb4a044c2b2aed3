"""The best settings under seeds that nobody has seen: trained as single runs are, and said."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from small_nets.commands import report
from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import SWEEP, SWEEP_COPY
from small_nets.sweep.confirmation.confirm import FOLDER, read_confirmed
from small_nets.sweep.confirmation.jobs import STEP
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import checked_config, trained_runs
from tests.conftest import Swept, plain_run

Sweep = Callable[..., Swept]
LOSS = Standard("val/loss")
GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=30", "optimizer.lr=0.0005,0.001,10",
        "precision=64")  # fmt: skip


def confirmed(done: Swept) -> Store:
    return Store(done.store.directory / FOLDER)


def test_fresh_seeds(sweep: Sweep) -> None:
    done = sweep(*GRID, "seed=range(6)", "sweep.confirm=2", "sweep.confirm_seeds=5")
    other = confirmed(done)
    table = other.read()
    assert sorted(set(table["seed"])) == [*range(STEP, STEP + 5)]
    assert sorted(set(table["optimizer.lr"])) == [0.0005, 0.001]
    assert len(done.store.read()) == 18  # the sweep itself is as it was
    # The split follows the seed, as in the sweep.
    for config, _ in other.configs().values():
        assert config["data"]["split_seed"] == config["seed"]
    ranked = rank(done.table, list(done.store.swept), LOSS)
    first = read_confirmed(done.store, ranked, LOSS)[0]
    assert (
        f"{first.chosen.worth:.4g} when chosen, {first.confirmed.worth:.4g} confirmed" in done.text
    )
    # Nothing is trained twice.
    again = sweep(*GRID, "seed=range(6)", "sweep.confirm=2", "sweep.confirm_seeds=5")
    assert confirmed(again).read().equals(table)


def test_it_is_the_run_that_one_would_train_alone(sweep: Sweep) -> None:
    done = sweep(*GRID, "seed=range(6)", "sweep.confirm=1", "sweep.confirm_seeds=5")
    other = confirmed(done)
    run_id = other.read()["run_id"][2]
    config = checked_config(other, run_id)
    ((_, run),) = trained_runs(other, [run_id])
    _, alone = plain_run(config)
    for name, values in run.net.named_parameters():
        np.testing.assert_allclose(values.detach(), alone[name], rtol=1e-9, atol=1e-12)


def test_fresh_seeds_are_free_and_are_seeds(sweep: Sweep) -> None:
    """Not those of the block that is taken, and none above the largest that there is."""
    done = sweep(*GRID, "seed=0,1,1000003,2000000,4294967295", "sweep.confirm=1",
                 "sweep.confirm_seeds=5")  # fmt: skip
    assert sorted(set(confirmed(done).read()["seed"])) == [*range(3 * STEP, 3 * STEP + 5)]


def test_split_seeds(sweep: Sweep) -> None:
    """A split that is held stays; one that is swept moves with the seed."""
    held = sweep(*GRID, "seed=range(5)", "data.split_seed=3", "sweep.confirm=1", to="held")
    assert {c["data"]["split_seed"] for c, _ in confirmed(held).configs().values()} == {3}
    moved = sweep(*GRID, "data.split_seed=range(5)", "sweep.confirm=1", to="moved")
    configs = [c for c, _ in confirmed(moved).configs().values()]
    assert {c["seed"] for c in configs} == {42}
    assert len({c["data"]["split_seed"] for c in configs}) == 32


def test_afterwards(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    done = sweep(*GRID, "seed=range(6)")
    directory = str(done.store.directory)
    before = {p: p.read_bytes() for p in done.store.directory.rglob("*.parquet")}
    report.main([directory, "--confirm", "1", "--format", "csv"])
    said = capsys.readouterr().out
    assert "under the 32 fresh seeds 1000000 to 1000031" in said
    assert all(path.read_bytes() == content for path, content in before.items())
    report.main([directory, "--format", "md"])
    assert "Confirmed by median val/loss under fresh seeds" in capsys.readouterr().out
    report.main([f"{directory}/{FOLDER}", "--format", "csv"])  # a sweep by itself
    assert pl.read_csv(Path(directory, FOLDER, "ranking.csv"))["n"].to_list() == [32]


@pytest.mark.parametrize("words", [["--confirm", "0"], ["--confirm", "-1"], ["--confirm", "x"]])
def test_refused(sweep: Sweep, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    done = sweep(*GRID, "seed=range(2)")
    with pytest.raises(SystemExit) as ended:
        report.main([str(done.store.directory), *words])
    assert ended.value.code == 2
    assert words[1] in capsys.readouterr().err
    assert not (done.store.directory / FOLDER).exists()


def test_without_seeds(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    done = sweep(*GRID)
    with pytest.raises(SystemExit):
        report.main([str(done.store.directory), "--confirm", "2"])
    assert "this sweep has one seed" in capsys.readouterr().err


def test_what_lies_there_is_data(sweep: Sweep) -> None:
    """A broken confirmation is said, and takes nothing of the sweep with it."""
    done = sweep(*GRID, "seed=range(6)", "sweep.confirm=1", "sweep.confirm_seeds=5")
    folder = done.store.directory / FOLDER
    for name in (SWEEP, SWEEP_COPY):
        os.truncate(folder / name, 10)
    ranked = rank(done.table, list(done.store.swept), LOSS)
    with pytest.raises(InputError, match=r"confirmation.*cannot be read"):
        read_confirmed(done.store, ranked, LOSS)
    report.main([str(done.store.directory)])
    assert "cannot be shown" in (done.store.directory / "report.html").read_text()
