"""The table of components that a config may name: where each is defined, and its facts.

It imports no torch, so that a misspelled name or key is answered at once. Other modules ask this
table about a component, and never guess from its name. A component that lacks a fact fails at
import. A test compares the table with the code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from small_nets.config.component_facts import (
    NEEDED,
    Activation,
    Component,
    Extent,
    Loss,
    Metric,
    Network,
    Optimizer,
    Source,
    Takes,
)
from small_nets.config.formula import inputs_of, is_even


def _width(matrix: Sequence[Sequence[float]] | None) -> int | None:
    return None if matrix is None else len(matrix[0])


def _points(inputs: int) -> Callable[[Takes], Extent]:
    return lambda s: (s["points"], inputs, 1)


_NET = {"output_activation": "identity", "bias": True, "init": "default"}
_SGD = {"lr": NEEDED, "weight_decay": 0.0}
_ADAM = _SGD | {"betas": (0.9, 0.999), "eps": 1e-8}
# What torch's optimizers take besides the keys of the rules. In torch lr has a default; here it is
# needed, because pictures and engines read it.
_TORCH = {"maximize": False, "foreach": None, "differentiable": False}
_TORCH_ADAM = _TORCH | {"amsgrad": False, "capturable": False, "fused": None}
_WEIGHT = {"class_weight": None}
_SHAPES = ("inputs", "outputs")

SOURCES = {
    "rows": Source(
        "small_nets.data.sources.rows",
        {"inputs": NEEDED, "targets": None, "task": "regression", "precision": 64}, False,
        lambda s: (len(s["inputs"]), len(s["inputs"][0]), _width(s["targets"])),
    ),
    "gate": Source(
        "small_nets.data.sources.gate", {"kind": NEEDED}, False, lambda _: (4, 2, 1)
    ),
    "sine": Source(
        "small_nets.data.sources.sine", {"points": 3000, "end": 100.0}, False, _points(1)
    ),
    "normal": Source(
        "small_nets.data.sources.normal", {"rows": NEEDED, "features": NEEDED, "targets": None},
        True, lambda s: (s["rows"], s["features"], _width(s["targets"])),
    ),
    "quadratic": Source(
        "small_nets.data.sources.quadratic", {"eigenvalues": NEEDED}, False,
        lambda s: (len(s["eigenvalues"]), len(s["eigenvalues"]), 1),
    ),
    "formula": Source(
        "small_nets.data.formula.formula", {},
        lambda s: s["noise"] > 0 or not is_even(s),
        lambda s: (s["points"], inputs_of(s["formula"]), 1),
        ("formula", "points", "low", "high", "spacing", "noise"),
    ),
    "table": Source(
        "small_nets.data.sources.table", {}, False, None,
        ("path", "inputs", "target", "digest", "missing", "separator"),
    ),
    "circles": Source(
        "small_nets.data.shapes.circles", {"points": 400, "noise": 0.1, "factor": 0.5}, True,
        _points(2),
    ),
    "moons": Source(
        "small_nets.data.shapes.moons", {"points": 400, "noise": 0.1}, True, _points(2)
    ),
    "spirals": Source(
        "small_nets.data.shapes.spirals", {"points": 600, "noise": 0.05, "turns": 0.75}, True,
        lambda s: (s["points"], 2, 3),
    ),
}  # fmt: skip
NETWORKS = {
    "mlp": Network(
        "small_nets.nn.mlp.mlp", _NET | {"width": NEEDED, "draw_order": None, "activation": "tanh",
        "outputs": None}, _SHAPES, False,
    ),
    "layers": Network(
        "small_nets.nn.mlp.layers", {"layers": NEEDED, "activation": "sigmoid"} | _NET, (), False
    ),
    "side_by_side": Network("small_nets.nn.mlp.SideBySide", {"layers": NEEDED}, (), False),
    "fixed_neuron": Network(
        "small_nets.nn.neurons.FixedNeuron",
        {"weights": NEEDED, "bias": NEEDED, "activation": "step"}, (), False,
    ),
    "bare_neuron": Network(
        "small_nets.nn.neurons.BareNeuron",
        {"weight_scale": 1.0, "activation": "naive_sigmoid"}, ("inputs",), True,
    ),
    "bare_line": Network("small_nets.nn.neurons.BareLine", {}, (), True),
    "bare_saddle": Network("small_nets.nn.neurons.BareSaddle", {"start": None}, (), True),
}  # fmt: skip
LOSSES = {
    "mse": Loss("small_nets.nn.losses.mse", {}, "regression", "numbers"),
    "mse_by_hand": Loss("small_nets.nn.losses.mse_by_hand", {}, "regression", "numbers"),
    "bce": Loss("small_nets.nn.losses.bce", _WEIGHT, "binary", "probabilities"),
    "bce_by_hand": Loss("small_nets.nn.losses.bce_by_hand", _WEIGHT, "binary", "probabilities"),
    "bce_log_odds": Loss("small_nets.nn.losses.bce_log_odds", {}, "binary", "probabilities"),
    "cross_entropy": Loss("small_nets.nn.losses.cross_entropy", _WEIGHT, "classes", "logits"),
    "cross_entropy_by_hand": Loss(
        "small_nets.nn.losses.cross_entropy_by_hand", _WEIGHT, "classes", "logits"
    ),
}
# The rules of src/small_nets/nn/update_rules.py. A key whose default is not a boolean is a number,
# and runs that are trained together may differ in it.
RULES: dict[str, Takes] = {
    "sgd": _SGD,
    "momentum": _SGD | {"momentum": 0.9, "nesterov": False},
    "adagrad": _SGD | {"lr_decay": 0.0, "eps": 1e-10},
    "rmsprop": _SGD | {"alpha": 0.99, "eps": 1e-8},
    "adam": _ADAM,
    "adamw": _ADAM,
}


def _of_torch(name: str, rule: str, more: Takes, with_momentum: str | None = None) -> Optimizer:
    return Optimizer(f"torch.optim.{name}", {**RULES[rule], **_TORCH, **more}, rule, with_momentum)


OPTIMIZERS = {
    "sgd": _of_torch(
        "SGD", "sgd", {"momentum": 0, "dampening": 0, "nesterov": False, "fused": None}, "momentum"
    ),
    "adagrad": _of_torch("Adagrad", "adagrad", {"initial_accumulator_value": 0, "fused": None}),
    "rmsprop": _of_torch(
        "RMSprop", "rmsprop", {"momentum": 0, "centered": False, "capturable": False}
    ),
    "adam": _of_torch("Adam", "adam", _TORCH_ADAM | {"decoupled_weight_decay": False}),
    "adamw": _of_torch("AdamW", "adamw", _TORCH_ADAM | {"weight_decay": 0.01}),
} | {
    f"{rule}_by_hand": Optimizer(f"small_nets.nn.update_rules.{rule}.by_hand", takes, rule)
    for rule, takes in RULES.items()
}
SCHEDULES = {
    "step": Component("small_nets.nn.schedules.step", {"every": NEEDED, "factor": NEEDED}),
    "exponential": Component("small_nets.nn.schedules.exponential", {"decay": NEEDED}),
    "cosine": Component("small_nets.nn.schedules.cosine", {"steps": NEEDED, "end": NEEDED}),
    "warmup": Component("small_nets.nn.schedules.warmup", {"steps": NEEDED}),
}
METRICS = {
    "mse": Metric("small_nets.nn.losses.mse", "numbers", False),
    "bce": Metric("small_nets.nn.losses.bce", "probabilities", False),
    "cross_entropy": Metric("small_nets.nn.losses.cross_entropy", "logits", False),
    "accuracy": Metric("small_nets.nn.metrics.accuracy", "classes", True),
}
ACTIVATIONS = {
    "identity": Activation("torch.nn.Identity", "identity", False, True),
    "sigmoid": Activation("torch.nn.Sigmoid", "sigmoid", True, True),
    "tanh": Activation("torch.nn.Tanh", "tanh", False, True),
    "relu": Activation("torch.nn.ReLU", "relu", False, True),
    "hardtanh": Activation("torch.nn.Hardtanh", "hardtanh", False, True),
    "leaky_relu": Activation("torch.nn.LeakyReLU", "leaky_relu", False, True),
    "prelu": Activation("torch.nn.PReLU", "prelu", False, True),
    "softmax": Activation("small_nets.nn.activations.LastSoftmax", "softmax", True, True),
    "sigmoid_by_hand": Activation("small_nets.nn.activations.Sigmoid", "sigmoid", True, True),
    "tanh_by_hand": Activation("small_nets.nn.activations.Tanh", "tanh", False, True),
    "relu_by_hand": Activation("small_nets.nn.activations.Relu", "relu", False, True),
    "softmax_by_hand": Activation("small_nets.nn.activations.Softmax", "softmax", True, True),
    "step": Activation("small_nets.nn.activations.Step", "step", True, False),
    "naive_sigmoid": Activation(
        "small_nets.nn.activations.NaiveSigmoid", "naive_sigmoid", True, False
    ),
}
# Initial weights: the function that redraws a layer's; None keeps those that torch drew.
INITIALISERS = {
    "default": None,
    "xavier": "torch.nn.init.xavier_uniform_",
    "kaiming": "torch.nn.init.kaiming_uniform_",
    "normal": "torch.nn.init.normal_",
    "zeros": "torch.nn.init.zeros_",
}

# Section of a config -> what its `_target_` may be.
COMPONENTS: dict[str, Mapping[str, Component]] = {
    "data.source": SOURCES,
    "model": NETWORKS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "scheduler": SCHEDULES,
}


def loss_of_config(config: Mapping[str, Any]) -> Loss:
    """The loss of a checked config."""
    return LOSSES[config["loss"]["_target_"]]


def source_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a config's source, with those that stand beside its section."""
    source = data["source"]
    return source | {key: data[key] for key in SOURCES[source["_target_"]].beside}


def is_drawn(data: Mapping[str, Any]) -> bool:
    """Whether a checked config's source draws other rows for each seed."""
    fact = SOURCES[data["source"]["_target_"]].is_drawn
    return fact if isinstance(fact, bool) else fact(source_settings(data))


def is_table(data: Mapping[str, Any]) -> bool:
    """Whether a config's data section reads a table of the user's own."""
    source = data.get("source")
    return isinstance(source, Mapping) and source.get("_target_") == "table"
