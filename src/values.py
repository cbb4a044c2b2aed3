"""What each setting may be: one table from key to rule. Imports no torch."""

import math
import os
import re

from src.data_rules import DATA_RULES, SEED
from src.errors import InputError, nearest
from src.rule import (
    Rule,
    flag,
    is_list,
    is_number,
    is_pair,
    is_positive,
    number,
    one_of,
    whole,
)  # fmt: skip

# The names that the code knows; a test holds them against the tables of the code itself.
ACTIVATIONS = (
    "identity", "sigmoid", "tanh", "relu", "hardtanh", "leaky_relu", "prelu", "softmax",
    "sigmoid_by_hand", "tanh_by_hand", "relu_by_hand", "softmax_by_hand",
)  # fmt: skip
INITS = ("default", "xavier", "kaiming", "normal", "zeros")
METRICS = ("mse", "bce", "cross_entropy", "accuracy")
ENGINES = ("lightning", "stacked", "fused")
OBJECTIVES = ("median", "mean", "bound")
SAMPLERS = ("tpe", "random", "qmc", "cmaes", "gp")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def memory_bytes(text: object) -> int | None:
    """Bytes of a text such as 2GiB; None where it is no such text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)", str(text))
    return None if found is None else int(float(found[1]) * UNITS[found[2]])


def _is_early_stop(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and is_positive(value.get("patience"))
        and set(value) <= {"patience", "min_delta"}
        and is_number(value.get("min_delta", 0.0))
        and value.get("min_delta", 0.0) >= 0
    )


FACTOR = number(0, 1, example="0.9")
SMALL = number(0, example="1e-8")

RULES: dict[str, Rule] = {
    "name": Rule(
        lambda v: isinstance(v, str) and re.fullmatch(r"[\w.-]+", v) is not None and v[0] != ".",
        "letters, digits, _ - and .: it names a folder",
        "sine",
    ),
    "description": Rule(lambda v: isinstance(v, str), "a text", "'my first net'"),
    "seed": SEED,
    "precision": one_of((32, 64), example="64"),
    "log_every": whole(1, example="10", null="about 100 points a run"),
    "print_every": whole(1, example="1000", null="ten lines, where there is no terminal"),
    "early_stop": Rule(
        _is_early_stop,
        "null, or {patience: logged points (1 or more), min_delta: improvement that counts "
        "(0 or more; default 0)}",
        "'{patience: 10}'",
    ),
    "metrics": Rule(
        lambda v: isinstance(v, list) and all(name in METRICS for name in v),
        f"a list of {', '.join(METRICS)}",
        "'[mse, accuracy]'",
    ),
    "analysis": one_of(("curvature", "optimal_lr"), example="curvature", null="none"),
    "pictures": one_of(("few", "all"), example="all"),
    "ckpt": Rule(
        lambda v: v is None or (isinstance(v, str) and v != ""),
        "a run's checkpoint.ckpt, or null",
        "outputs/sine/RUN/checkpoint.ckpt",
    ),
    "engine": one_of(ENGINES, example="fused", null="lightning for one run, what suits in a sweep"),
    "sweep.dir": Rule(lambda v: isinstance(v, str) and v != "", "a directory", "outputs/my_sweep"),
    "sweep.dry_run": flag(example="true"),
    "sweep.verify": whole(0, example="3"),
    "sweep.memory": Rule(
        lambda v: v is None or memory_bytes(v) is not None,
        "a number and a unit (B, KiB, MiB, GiB), or null (a quarter of what is free)",
        "2GiB",
    ),
    "sweep.device": one_of(("cpu", "cuda"), example="cpu"),
    "sweep.compile": Rule(
        lambda v: v is None or isinstance(v, bool),
        "true, false, or null (where the estimate says that it pays)",
        "true",
    ),
    "sweep.fail_fast": flag(example="true"),
    "sweep.max_runs": whole(1, example="2000000"),
    "sweep.directories": whole(0, example="200"),
    "search.trials": whole(1, example="250"),
    "search.batch": whole(1, example="64"),
    "search.seeds": whole(1, example="8"),
    "search.objective": one_of(OBJECTIVES, example="median"),
    "search.metric": Rule(
        lambda v: v is None or (isinstance(v, str) and v != ""),
        "a metric of the runs, or null (val/loss, or train/loss)",
        "val/accuracy",
    ),
    "search.sampler": one_of(SAMPLERS, example="tpe"),
    "search.seed": SEED,
    "trainer.accelerator": one_of(("cpu", "gpu"), example="cpu"),
    "trainer.threads": whole(1, os.cpu_count(), example="1"),
    "trainer.max_epochs": whole(0, example="1000"),
    "trainer.gradient_clip_val": number(0, above=True, example="1.0", null="no limit"),
    "logger.tensorboard": flag(example="true"),
    "logger.histograms": flag(example="false"),
    **DATA_RULES,
    "model.width": Rule(
        lambda v: v is None or is_positive(v) or is_list(v, is_positive),
        "null (no hidden layer), a whole number from 1, or a list of them",
        "'[5,5]'",
    ),
    "model.activation": one_of(ACTIVATIONS, example="tanh"),
    "model.output_activation": one_of(ACTIVATIONS, example="identity"),
    "model.outputs": whole(1, example="2", null="as many as the target has"),
    "model.bias": flag(example="true"),
    "model.init": one_of(INITS, example="xavier"),
    "model.layers": Rule(
        lambda v: is_list(v, is_pair),
        "a list of [inputs, outputs], whole numbers from 1",
        "'[[4,5],[5,2]]'",
    ),
    "model.weight_scale": number(0, example="0.1"),
    "optimizer.lr": number(0, 1e38, example="0.01"),
    "optimizer.weight_decay": number(0, example="0.01"),
    "optimizer.momentum": FACTOR,
    "optimizer.alpha": FACTOR,
    "optimizer.nesterov": flag(example="false"),
    "optimizer.lr_decay": SMALL,
    "optimizer.eps": SMALL,
    "optimizer.betas": Rule(
        lambda v: is_list(v, lambda b: is_number(b) and 0 <= b < 1) and len(v) == 2,
        "two numbers from 0 and below 1",
        "'[0.9, 0.999]'",
    ),
    "scheduler.every": whole(1, example="1000"),
    "scheduler.factor": number(0, above=True, example="0.5"),
    "scheduler.decay": number(0, above=True, example="0.999"),
    "scheduler.steps": whole(1, example="1000", null="the whole run"),
    "scheduler.end": number(0, example="0.0"),
}

# A choice's own meaning of a key, where it differs from its group's.
OWN_RULES: dict[str, Rule] = {
    "src.optim.schedules.warmup scheduler.steps": whole(1, example="100"),
    "src.models.neurons.FixedNeuron model.activation": one_of(
        ("step", *ACTIVATIONS), example="step"
    ),
    "src.models.neurons.FixedNeuron model.weights": Rule(
        lambda v: is_list(v, is_number), "a list of finite numbers", "'[1, 1]'"
    ),
    "src.models.neurons.FixedNeuron model.bias": number(-math.inf, example="-1.5"),
    "src.models.neurons.BareNeuron model.activation": one_of(
        ("naive_sigmoid", *ACTIVATIONS), example="relu"
    ),
}


def show(value: object) -> str:
    """A value as it is typed on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
    return str(value)


def check_value(key: str, value: object, target: str = "") -> None:
    """Raises InputError where a rule forbids the value; keys without a rule pass.

    target: the `_target_` of the key's section, whose own rule goes before the group's.
    """
    rule = OWN_RULES.get(f"{target} {key}") or RULES.get(key)
    if rule is None:
        return
    if value == "???":
        raise InputError(f"{key} has no value.\nAllowed: {rule.allowed}\nFix: {key}={rule.example}")
    if not rule.test(value):
        raise InputError(
            f"{key}={show(value)} is not allowed.\nAllowed: {rule.allowed}"
            f"{nearest(str(value), rule.names)}\nFor example: {key}={rule.example}"
        )
