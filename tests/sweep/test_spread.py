"""A ranking says what its spread over seeds is made of."""

from collections.abc import Callable

import pytest

from small_nets.sweep.results.spread import said_of_runs
from small_nets.sweep.results.standard import Standard
from tests.conftest import Swept

LOSS = Standard("val/loss")

TEMPERATURE = ("+experiment=temperature_mlp", "trainer.max_epochs=2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*TEMPERATURE, "seed=0,1"),
         "The spread over seed is that of the initial weights and the split. With 2 validation "
         "rows most of it may be the split, which data.split_seed=0 holds."),
        ((*TEMPERATURE, "seed=0,1", "data.split_seed=7"),
         "The spread over seed is that of the initial weights; the split is held "
         "(data.split_seed=7)."),
        ((*TEMPERATURE, "data.split_seed=0,1"),
         "The spread over data.split_seed is that of the split."),
        ((*TEMPERATURE, "seed=0,1", "data.batch_size=3", "data.val_fraction=0"),
         "The spread over seed is that of the initial weights and the order of batches."),
        (("+experiment=circles", "trainer.max_epochs=2", "seed=0,1"),
         "The spread over seed is that of the data, the initial weights and the split."),
        (("+experiment=sine", "trainer.max_epochs=1", "seed=0,1"),
         "The spread over seed is that of the initial weights and the split."),
        ((*TEMPERATURE, "optimizer.lr=0.1,0.2"), None),
    ],
)  # fmt: skip
def test_what_differs(
    sweep: Callable[..., Swept], words: tuple[str, ...], said: str | None
) -> None:
    done = sweep(*words)
    assert [*said_of_runs(done.store, done.table, [], LOSS)] == ([] if said is None else [said])
    assert (said or "The spread over") in done.text or said is None
