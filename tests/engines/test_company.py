"""A member of a cohort has the same bits alone, in company and in any order."""

import random
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from small_nets.engines.cohort import Trained
from small_nets.engines.stacked.cost import Layout
from small_nets.engines.stacked.program import lower
from small_nets.engines.stacked.train import train
from small_nets.sweep.cohorts.start import start
from small_nets.sweep.results.verify import BOUNDS, check
from tests.engines.parity import compose, same, together


def vectors(parts: Sequence[Trained]) -> list[Tensor]:
    """Each member's final parameters as one vector."""
    return [
        torch.cat([values[i].flatten() for values in part.parameters.values()])
        for part in parts
        for i in range(len(part.steps))
    ]


# Each in two parts of the stacked engine, the second with members that are no runs.
CASES = [
    (80, ("+experiment=temperature_mlp", "trainer.max_epochs=30"), None),
    (80, ("+experiment=temperature_mlp", "trainer.max_epochs=30", "model.activation=sigmoid",
      "optimizer=adam", "data.batch_size=2", "model.width=[7,3]"), None),
    (80, ("+experiment=temperature_mlp", "trainer.max_epochs=20", "precision=64",
      "model.width=[33,17]"), "first"),
    (20, ("+experiment=sine", "trainer.max_epochs=3"), None),
    (70, ("+experiment=sine", "trainer.max_epochs=2", "model.width=[5,5]",
      "data.source.points=600", "data.batch_size=120"), None),
]  # fmt: skip


@pytest.mark.usefixtures("engine")
class TestMembersNeverMeet:
    @pytest.mark.every(4)
    @pytest.mark.parametrize(("members", "overrides", "layout"), CASES)
    def test_alone_in_company_in_any_order(
        self, members: int, overrides: Any, layout: Layout | None
    ) -> None:
        configs = compose(*overrides, seeds=range(members))
        whole = vectors(together(configs, layout))
        order = random.Random(0).sample(range(members), members)
        for i, vector in zip(order, vectors(together([configs[i] for i in order], layout)),
                             strict=True):  # fmt: skip
            assert torch.equal(vector, whole[i])
        for i in (0, members - 1):
            assert torch.equal(vectors(together([configs[i]], layout))[0], whole[i])

    def test_a_diverging_neighbour(self) -> None:
        (base,) = compose(
            "+experiment=temperature_linear", "analysis=null", "trainer.max_epochs=300"
        )
        rates = (0.001, 0.1, 0.01)
        configs = [base | {"optimizer": base["optimizer"] | {"lr": lr}} for lr in rates]
        (trained,) = together(configs)
        assert trained.diverged.tolist() == [False, True, False]
        assert trained.steps.tolist() == [300, 26, 300]  # the step of the single run
        quiet = vectors(together([configs[0], configs[2]]))
        found = vectors([trained])
        assert torch.equal(found[0], quiet[0])
        assert torch.equal(found[2], quiet[1])
        for member, status in enumerate(("completed", "diverged", "completed")):
            parameters = {name: values[member] for name, values in trained.parameters.items()}
            assert check(configs[member], status, parameters).holds

    def test_one_that_stops_early(self) -> None:
        configs = compose(
            "+experiment=temperature_mlp", "early_stop={patience: 2}", "optimizer.lr=0.002",
            "trainer.max_epochs=400", seeds=range(8),
        )  # fmt: skip
        (trained,) = together(configs)
        steps, whole = trained.steps, vectors([trained])
        first, last = int(steps.argmin()), int(steps.argmax())
        assert steps[first] < steps[last]
        for i in (first, last):
            assert torch.equal(vectors(together([configs[i]]))[0], whole[i])


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here")
class TestCompiled:
    """By the real compiler: what it makes of one member does not depend on the others either."""

    @pytest.mark.every(4)
    @pytest.mark.parametrize(
        ("members", "overrides"),
        [
            # So many that all fit into the least part: one compilation.
            (40, ("+experiment=temperature_mlp", "trainer.max_epochs=60", "optimizer=adam")),
            pytest.param(
                70, ("+experiment=temperature_mlp", "trainer.max_epochs=60", "optimizer=adamw"),
                marks=pytest.mark.slow,
            ),
            pytest.param(
                70,
                ("+experiment=feedforward", "data.source.targets=[[0.1,0.3]]", "optimizer=rmsprop",
                 "trainer.max_epochs=20"),
                marks=pytest.mark.slow,
            ),
            pytest.param(
                70,
                ("+experiment=sine", "trainer.max_epochs=4", "model.width=[5,5]",
                 "data.batch_size=500", "trainer.gradient_clip_val=1.0"),
                marks=pytest.mark.slow,
            ),
        ],
    )  # fmt: skip
    def test_alone_in_company_in_any_order(self, members: int, overrides: tuple[str, ...]) -> None:
        configs = compose(*overrides, "precision=64", seeds=range(members))
        first = start(configs[:1]).cohort
        assert first is not None
        program = lower(first, compiled=True)  # once: it takes longer than all that is trained
        parts = together(configs, program=program)
        same(configs[0], parts[0], 0, BOUNDS[64])
        same(configs[-1], parts[-1], len(parts[-1].steps) - 1, BOUNDS[64])
        backwards = vectors(together(configs[::-1], program=program))
        whole = vectors(parts)
        assert all(torch.equal(a, b) for a, b in zip(whole, backwards[::-1], strict=True))
        assert torch.equal(vectors(together(configs[-1:], program=program))[0], whole[-1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_on_a_gpu() -> None:
    configs = compose("+experiment=temperature_mlp", "precision=64", "trainer.max_epochs=50")
    started = start(configs, "cuda")
    assert started.cohort is not None
    same(configs[0], train(started.cohort), 0, BOUNDS[64])
