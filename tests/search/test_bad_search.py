"""A search that cannot be is refused with the reason and the fix."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from small_nets.commands.python_api import call
from small_nets.config.errors import InputError
from tests.conftest import Answer
from tests.search.searched import MLP, RATE, Sweep

REFUSED: dict[tuple[str, ...], tuple[str, ...]] = {
    (RATE, "search.batch=0"): ("search.batch=0 is not allowed", "1 or more"),
    (RATE, "search.trials=ten"): ("search.trials=ten",),
    (RATE, "search.objective=modian"): ("Did you mean median?",),
    (RATE, "search.sampler=tpa"): ("tpe, random, qmc, cmaes, gp", "Did you mean tpe?"),
    (RATE, "search.seed=-1"): ("search.seed=-1",),
    (RATE, "search.trails=5"): ("search.trails does not exist", "Did you mean trials?"),
    (RATE, "search.metric=val/los"): ("not a metric of these runs", "Did you mean val/loss?"),
    (RATE, "search.objective=bound", "search.seeds=1"): ("needs the spread over seeds",),
    (RATE, "hydra.sweeper.max_batch_size=4"): ("Fix: search.batch=64",),
    (RATE, "hydra/launcher=basic"): ("Fix: without hydra/launcher",),
    (RATE, "search.trials=1000"): ("are 8,000 runs", "Fix: sweep.max_runs=8000"),
    (RATE, "seed=1,2"): ("seeds are not searched",),
    (RATE, "+sweep=seeds"): ("seed=range(20)", "seeds are not searched"),
    ("optimizer.lr=0.1",): ("nothing to search",),
    ("optimizer.lr=interval(-1,1)",): ("optimizer.lr=-1", "from 0"),
    ("optimizer=sgd,adamm",): ("optimizer=adamm does not exist", "Did you mean adam?"),
    ("optimizer.momentum=interval(0,1)",): (
        "optimizer=sgd",
        "optimizer=momentum|momentum_by_hand, which state it",
    ),
    ("optimizer=sgd,adam", "optimizer.momentum=interval(0,1)"): ("optimizer=sgd|adam",),
    (RATE, "optimizer=sgd,adam", "search.sampler=cmaes"): ("cmaes cannot search optimizer",),
    ("lr=interval(0,1)",): ("lr does not exist", "Did you mean optimizer.lr?"),
    (RATE, "loss=bce"): ("bce takes probabilities",),
    (RATE, "data.batch_size=500"): ("data.batch_size=500", "9 rows"),
    (RATE, "sweep.dir=one,two"): ("the whole search",),
    (RATE, "sweep.halving={first: 20}"): ("all have ended by then",),
}


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", REFUSED, ids=" ".join)
def test_refused(overrides: tuple[str, ...], tmp_path: Path) -> None:
    """Before any work, and nothing is written."""
    with pytest.raises(InputError) as caught:
        call([*MLP, f"sweep.dir={tmp_path / 'out'}", "sweep.max_runs=5000", *overrides],
             Console(file=io.StringIO()))  # fmt: skip
    for words in REFUSED[overrides]:
        assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.more
def test_refused_in_a_foreign_directory(sweep: Sweep) -> None:
    """Of another sweep, of a run, or of another search: they stay as they were."""
    done = sweep("+experiment=sine", "trainer.max_epochs=2", "seed=0,1", "logger=none")
    searched = sweep(*MLP, RATE, "search.trials=2", "search.seeds=1", to="searched").store.directory
    whole = done.store.directory
    other = "holds a search of something else"
    for place, more, words in (
        (whole, (), "holds a sweep of sine"),
        (whole / "0", (), "is the directory of a single run"),
        (searched, ("model.width=2,3",), other),
        (searched, ("model.width=2,3", "sweep.dry_run=true"), other),
    ):
        before = content(place)
        with pytest.raises(InputError) as caught:
            sweep(*MLP, RATE, *more, to=str(place))
        assert f"sweep.dir={place} {words}" in str(caught.value)
        assert content(place) == before


def content(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_no_target(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to search for"):
        call(["hydra/sweeper=search", "+experiment=weather", "model.outputs=1,2",
              f"sweep.dir={tmp_path / 'out'}"], Console(file=io.StringIO()))  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("+experiment=sine", "search.trials=3"), ("search.trials=3", "-m hydra/sweeper=search")),
        (("+experiment=sine", "hydra/sweeper=search"), ("this is a single run",)),
        (("-m", "+experiment=sine", "seed=1,2", "search.trials=3"), ("Fix: hydra/sweeper=search",)),
        (("-m", *MLP, "optimizer.lr=interval(1,0)"), ("the low end is not below",)),
        (("-m", "hydra/sweeper=search", RATE), ("No experiment was chosen",)),
    ],
)  # fmt: skip
def test_the_command_refuses(
    arguments: tuple[str, ...], words: tuple[str, ...], command: Callable[..., Answer],
    tmp_path: Path,
) -> None:  # fmt: skip
    answer = command("src.train", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Error: ")
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err
    assert not any(p.name != "outputs" or any(p.iterdir()) for p in tmp_path.iterdir())
