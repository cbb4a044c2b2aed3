"""What the tests of a search share."""

from collections.abc import Callable

from optuna.trial import FrozenTrial

from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.journal import look_at
from small_nets.sweep.store.store import Store
from tests.conftest import Swept

Sweep = Callable[..., Swept]


MLP = ("hydra/sweeper=search", "+experiment=temperature_mlp", "trainer.max_epochs=20",
       "logger=none")  # fmt: skip


RATE = "optimizer.lr=tag(log, interval(1e-4, 1e-1))"


def trials_of(store: Store) -> list[FrozenTrial]:
    study = look_at(store.directory / STUDY)[0]
    assert study is not None
    return study.trials
