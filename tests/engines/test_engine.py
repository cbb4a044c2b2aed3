"""The engine against the plain path: equal numbers, and members that never meet."""

import itertools
import random
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from small_nets.config import defaults_lists
from small_nets.engines.cohort import Trained
from small_nets.engines.fused.train import train as train_fused
from small_nets.engines.stacked.cost import Layout, choose_layout, part_sizes
from small_nets.engines.stacked.operations import multiply, multiply_aligned
from small_nets.engines.stacked.program import Program, lower
from small_nets.engines.stacked.trace import trace_step
from small_nets.engines.stacked.train import train
from small_nets.engines.stacked.widen import widen
from small_nets.engines.unsupported import CannotFuse, CannotStack
from small_nets.nn.mlp import mlp
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.cohorts.start import start
from small_nets.sweep.results.verify import BOUNDS, alone, check, distance
from tests.conftest import TRAINED, plain_run

OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")
# Rates at which a rule does not make chaos of the example, in which nothing can be compared.
RATES = {"sgd": 1.0, "momentum": 0.1, "adagrad": 1.0, "rmsprop": 1.0, "adam": 1.0, "adamw": 1.0}


ENGINE = "stacked"
NOT_FUSED = ("PReLU has no form", "softmax in front of another layer", "SideBySide has no form")


def compose(*overrides: str, seeds: Sequence[int] = (42,)) -> list[dict[str, Any]]:
    base = compose_settings(*overrides, "logger=none")[0]
    return [base | {"seed": s, "data": base["data"] | {"split_seed": s}} for s in seeds]


def by_kernels(configs: Sequence[dict[str, Any]]) -> list[Trained]:
    """Train by the fused engine; a test of what it has no kernel for is skipped."""
    started = start(configs)
    assert not started.failed
    assert started.cohort is not None
    try:
        return [train_fused(started.cohort)]
    except CannotFuse as error:
        if not str(error).startswith(NOT_FUSED):
            raise
        pytest.skip(str(error))


@pytest.fixture(params=["stacked", "fused"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which engine `together` trains with."""
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", request.param)
    return request.param


def together(
    configs: Sequence[dict[str, Any]], layout: Layout | None = None, program: Program | None = None
) -> list[Trained]:
    """Train, in as many parts as it takes. program: a compiled one, made from the first."""
    if ENGINE == "fused":
        return by_kernels(configs)
    first = start(configs[:1]).cohort
    assert first is not None
    size = part_sizes(first, program is not None)[1]
    program = program or lower(first, layout=layout)
    parts = []
    for i in range(0, len(configs), size):
        started = start(configs[i : i + size])
        assert not started.failed
        assert started.cohort is not None
        parts.append(train(started.cohort, program))
    return parts


def vectors(parts: Sequence[Trained]) -> list[Tensor]:
    """Each member's final parameters as one vector."""
    return [
        torch.cat([values[i].flatten() for values in part.parameters.values()])
        for part in parts
        for i in range(len(part.steps))
    ]


def same(config: dict[str, Any], trained: Trained, member: int, bound: float) -> None:
    """Parameters, status, logged points and metrics are those of the single run."""
    ending, net = plain_run(config)
    found = {name: values[member] for name, values in trained.parameters.items()}
    assert (ending.status == "diverged") == bool(trained.diverged[member])
    assert distance(found, net) <= bound
    curve = trained.curve(member)
    assert curve["step"] == ending.curves["step"]
    assert set(curve) == set(ending.curves)
    for name in set(curve) - {"step"}:
        a, b = torch.tensor(curve[name]), torch.tensor(ending.curves[name])
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert int(trained.epochs[member]) == ending.epochs
    assert int(trained.kept[member]) == (-1 if ending.kept is None else ending.kept)


# Of these, one ulp in the initial weights, or the rows in the opposite order, make 1e-4 to 4e-2
# by the end of the example: oscillation at the edge of stability, and the weights of xor, which
# end as rounding errors around 0.
CHAOTIC = {
    *(("temperature_mlp", 42), ("temperature_mlp", 3), ("sine", 3), ("xor", 42), ("xor", 3)),
}


def as_single_runs(configs: Sequence[dict[str, Any]]) -> None:
    """Members of one part, in float64, are what their single runs are."""
    (trained,) = together(configs)
    for member, config in enumerate(configs):
        same(config, trained, member, BOUNDS[64])


def rate(experiment: str, optimizer: str) -> list[str]:
    usual = defaults_lists.experiment(experiment)["optimizer"]["lr"]
    # The adaptive rules move every weight by the rate itself, whatever the gradient.
    lr = RATES[optimizer] * (usual if optimizer in ("sgd", "momentum") else 0.01)
    return [f"optimizer={optimizer}", f"optimizer.lr={lr}"]


MINI = {"sine": 700, "circles": 100, "moons": 100}  # rows a batch, of hundreds; of others 2


def every_fourth() -> list[Any]:
    """All examples, optimizers and batches; by default each of them with some of the others."""
    cells = itertools.product(enumerate(TRAINED), enumerate(OPTIMIZERS), enumerate((None, 2)))
    return [
        pytest.param(name, rule, batch, marks=() if (i + j + k) % 4 == 0 else pytest.mark.slow)
        for (i, name), (j, rule), (k, batch) in cells
    ]


@pytest.mark.usefixtures("engine")
class TestEqualNumbers:
    @pytest.mark.parametrize(("experiment", "optimizer", "batch"), every_fourth())
    def test_as_a_single_run(self, experiment: str, optimizer: str, batch: int | None) -> None:
        big = experiment in MINI
        rows = MINI.get(experiment, batch)
        configs = compose(
            f"+experiment={experiment}", "precision=64", *rate(experiment, optimizer),
            f"trainer.max_epochs={20 if big else 100}",
            *([] if batch is None or experiment == "one_sample" else [f"data.batch_size={rows}"]),
            "log_every=10", seeds=(3,),
        )  # fmt: skip
        as_single_runs(configs)

    @pytest.mark.slow
    @pytest.mark.parametrize("experiment", TRAINED)
    def test_as_a_single_run_to_its_end(self, experiment: str) -> None:
        """Where one ulp grows beyond the bound in the single run itself, no more than that."""
        configs = compose(f"+experiment={experiment}", "precision=64", seeds=(42, 3))
        (trained,) = together(configs)
        for member, config in enumerate(configs):
            parameters = {name: values[member] for name, values in trained.parameters.items()}
            found = check(config, "completed", parameters)
            if found.sensitivity is None:
                same(config, trained, member, BOUNDS[64])
            else:
                assert (experiment, config["seed"]) in CHAOTIC
                assert found.holds

    def test_noise_of_rounding(self) -> None:
        (config,) = compose("+experiment=sine", "trainer.max_epochs=20")
        plain, noisy, again = (alone(config, noise=seed)[1] for seed in (None, 1, 1))
        assert 0 < distance(noisy, plain) < 1e-5
        assert distance(again, noisy) == 0

    @pytest.mark.slow
    def test_one_of_two_ends(self) -> None:
        """RMSprop swings about the minimum, and rounding decides where it is last."""
        (config,) = compose(
            "+experiment=proportional", "optimizer=rmsprop", "trainer.max_epochs=3000", seeds=(2,)
        )
        _, plain = alone(config)
        other = {name: 2 * round(p.mean().item()) - p for name, p in plain.items()}
        found = check(config, "completed", other, ("completed", plain))
        assert BOUNDS[32] < found.difference < found.bound
        wrong = {name: p + 1 for name, p in plain.items()}
        assert not check(config, "completed", wrong, ("completed", plain)).holds

    @pytest.mark.parametrize("experiment", ["temperature_mlp", "and_gate_tensors", "sine", "xor"])
    def test_in_float32(self, experiment: str) -> None:
        configs = compose(f"+experiment={experiment}", "trainer.max_epochs=40", seeds=(42, 3))
        (trained,) = together(configs)
        for member, config in enumerate(configs):
            status = "diverged" if trained.diverged[member] else "completed"
            parameters = {name: values[member] for name, values in trained.parameters.items()}
            found = check(config, status, parameters)
            assert found.holds, found

    @pytest.mark.parametrize(
        "overrides",
        [
            ("scheduler=step", "scheduler.every=20"),
            ("scheduler=cosine", "data.batch_size=4"),
            ("scheduler=warmup", "optimizer=adam", "optimizer.lr=0.01"),
            ("trainer.gradient_clip_val=0.5", "data.batch_size=4"),
            ("early_stop={patience: 3}", "optimizer.lr=0.002", "trainer.max_epochs=400"),
            ("early_stop={patience: 1, min_delta: 5}", "log_every=7"),
            ("log_every=7", "trainer.max_epochs=30"),
            ("model.activation=prelu", "model.width=[3,4]"),
            ("model.activation=softmax",),
            ("model.activation=leaky_relu", "model.init=kaiming"),
            ("model.activation=sigmoid_by_hand", "optimizer=rmsprop_by_hand"),
            ("model.activation=hardtanh", "optimizer=adam_by_hand", "optimizer.lr=0.01"),
            ("model.activation=relu_by_hand", "optimizer.weight_decay=0.1"),
            ("model.activation=tanh_by_hand", "loss=mse_by_hand", "data.shuffle=false"),
            ("data.val_fraction=0", "data.normalize_input=standardize"),
            ("optimizer=momentum", "optimizer.nesterov=true", "optimizer.lr=1e-4"),
            ("optimizer=adagrad", "optimizer.lr_decay=0.1", "model.bias=false"),
            ("model.width=[9,7]", "metrics=[mse]"),
            ("trainer.max_epochs=0",),
        ],
    )
    def test_every_part(self, overrides: tuple[str, ...]) -> None:
        usual = (
            ("trainer.max_epochs=60", "log_every=5")
            if not any("_e" in o for o in overrides)
            else ()
        )
        configs = compose(
            "+experiment=temperature_mlp", "precision=64", *usual, *overrides, seeds=(1, 2)
        )
        as_single_runs(configs)

    def test_no_decay_at_all(self) -> None:
        """A rule's own default must not come in where a setting of all members is 0."""
        as_single_runs(compose(
            "+experiment=temperature_mlp", "precision=64", "trainer.max_epochs=50",
            "optimizer=adamw", "optimizer.weight_decay=0.0", "optimizer.lr=0.01", seeds=(1, 2),
        ))  # fmt: skip

    @pytest.mark.parametrize("loss", ["bce_by_hand", "bce_log_odds", "cross_entropy",
                                      "cross_entropy_by_hand"])  # fmt: skip
    def test_every_loss(self, loss: str) -> None:
        experiment = "one_sample" if loss.startswith("cross") else "xor"
        width = ["model.width=3"] if experiment == "xor" else []
        configs = compose(
            f"+experiment={experiment}", f"loss={loss}", "precision=64", *width,
            "trainer.max_epochs=50", seeds=(1, 2),
        )  # fmt: skip
        as_single_runs(configs)

    def test_settings_of_their_own(self) -> None:
        """Rates, factors and betas differ from member to member, and each has its own effect."""
        (base,) = compose("+experiment=temperature_mlp", "optimizer=adam", "precision=64",
                          "trainer.max_epochs=50", "trainer.gradient_clip_val=1.0")  # fmt: skip
        configs = [
            base | {
                "optimizer": base["optimizer"] | {"lr": lr, "betas": betas, "weight_decay": decay},
                "data": base["data"] | {"normalize_input": f"constant:{lr}"},
                "trainer": base["trainer"] | {"gradient_clip_val": clip},
            }
            for lr, betas, decay, clip in (
                (0.01, [0.9, 0.999], 0.0, 1.0),
                (0.1, [0.5, 0.9], 0.1, 2.0),
                (0.05, [0.0, 0.0], 0.0, 9.0),
            )
        ]  # fmt: skip
        as_single_runs(configs)


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


class TestLowering:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
    def test_multiply(self, n: int, k: int, m: int) -> None:
        torch.manual_seed(0)
        a, b = torch.randn(n, k, 4).double(), torch.randn(k, m, 4).double()
        torch.testing.assert_close(multiply(a, b), torch.einsum("nkl,kml->nml", a, b))

    def test_what_no_lane_can_hold(self) -> None:
        class Sorted(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = torch.nn.Parameter(torch.ones(1, 1))

            def forward(self, x: Tensor) -> Tensor:
                return (x @ self.w).sort(dim=0).values

        net = Sorted()
        x, y = torch.randn(5, 1), torch.randn(5, 1)
        graph = trace_step(net, torch.nn.functional.mse_loss, torch.ones(1), x, y)
        with pytest.raises(Exception, match="sort"):
            widen(graph)

    def test_a_reason_for_what_cannot_be_mapped(self) -> None:
        class Branching(torch.nn.Linear):
            def forward(self, input: Tensor) -> Tensor:
                return super().forward(input) if input.sum().item() > 0 else input

        (config,) = compose("+experiment=proportional", "trainer.max_epochs=1")
        cohort = start([config]).cohort
        assert cohort is not None
        object.__setattr__(cohort, "net", torch.nn.Sequential())
        cohort.net.add_module("output_linear", Branching(1, 1))
        with pytest.raises(CannotStack, match=r"data-dependent|Proxy|item"):
            lower(cohort)

    def test_layout_follows_from_shapes(self) -> None:
        def net(*widths: int) -> torch.nn.Module:
            return mlp(inputs=1, outputs=1, width=list(widths))

        assert choose_layout(net(13), 9) == "last"
        assert choose_layout(net(5), 2400) == "last"
        assert choose_layout(net(128, 64), 100) == "first"

    def test_more_members_than_a_part_holds(self) -> None:
        started = start(compose("+experiment=sine", "trainer.max_epochs=1", seeds=range(17)))
        assert started.cohort is not None
        with pytest.raises(ValueError, match="17 members do not fit into a part of 16"):
            train(started.cohort)

    def test_a_member_that_cannot_be_is_named(self) -> None:
        configs = compose("+experiment=temperature_mlp", seeds=(1, 2, 3))
        configs[1]["data"] = configs[1]["data"] | {"batch_size": 99}
        started = start(configs)
        assert started.places == [0, 2]
        assert "data.batch_size=99" in started.failed[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_on_a_gpu() -> None:
    configs = compose("+experiment=temperature_mlp", "precision=64", "trainer.max_epochs=50")
    started = start(configs, "cuda")
    assert started.cohort is not None
    same(configs[0], train(started.cohort), 0, BOUNDS[64])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3),
    transposed=st.integers(0, 2),
    shift=st.integers(0, 7),
)
@settings(max_examples=60, deadline=None)
def test_a_product_is_the_same_in_any_place(
    dtype: torch.dtype, sizes: tuple[int, int, int], transposed: int, shift: int
) -> None:
    """Wherever a member's matrices begin in memory, its product has the same bits."""
    n, k, m = sizes
    torch.manual_seed(n)
    a, b = torch.randn(32, n, k, dtype=dtype), torch.randn(32, k, m, dtype=dtype)
    if transposed == 1:
        a = a.transpose(1, 2).contiguous().transpose(1, 2)
    elif transposed == 2:
        b = b.transpose(1, 2).contiguous().transpose(1, 2)
    found = multiply_aligned(a, b)
    torch.testing.assert_close(found, a @ b)
    order = torch.randperm(32)
    assert torch.equal(multiply_aligned(a[order], b[order]), found[order])
    whole = torch.empty(32, shift + k * m, dtype=dtype)  # as in the vector of all parameters
    within = whole[:, shift:].view(32, k, m).copy_(b)
    assert torch.equal(multiply_aligned(a, within), found)
