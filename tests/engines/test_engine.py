"""Members of a cohort have the numbers of single runs, alone and in company."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from small_nets.config import defaults_lists
from small_nets.sweep.results.verify import BOUNDS, alone, check, distance
from tests.conftest import TRAINED
from tests.engines.parity import compose, same, together

OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")


# Rates at which a rule does not make chaos of the example, in which nothing can be compared.
RATES = {"sgd": 1.0, "momentum": 0.1, "adagrad": 1.0, "rmsprop": 1.0, "adam": 1.0, "adamw": 1.0}


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


MINI = {
    "sine": 700,
    "circles": 100,
    "moons": 100,
    "spirals": 100,
}  # rows a batch, of hundreds; of others 2


def every_sixth() -> list[Any]:
    """All examples, optimizers and batches; by default each example with one optimizer a batch."""
    cells = itertools.product(enumerate(TRAINED), enumerate(OPTIMIZERS), enumerate((None, 2)))
    return [
        pytest.param(name, rule, batch, marks=() if (i + j + 3 * k) % 6 == 0 else pytest.mark.slow)
        for (i, name), (j, rule), (k, batch) in cells
    ]


@pytest.mark.usefixtures("engine")
class TestEqualNumbers:
    @pytest.mark.every(3)
    @pytest.mark.parametrize(("experiment", "optimizer", "batch"), every_sixth())
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

    @pytest.mark.every(2)
    @pytest.mark.parametrize("experiment", ["temperature_mlp", "and_gate_tensors", "sine", "xor"])
    def test_in_float32(self, experiment: str) -> None:
        configs = compose(f"+experiment={experiment}", "trainer.max_epochs=40", seeds=(42, 3))
        (trained,) = together(configs)
        for member, config in enumerate(configs):
            status = "diverged" if trained.diverged[member] else "completed"
            parameters = {name: values[member] for name, values in trained.parameters.items()}
            found = check(config, status, parameters)
            assert found.holds, found

    @pytest.mark.every(3)
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
