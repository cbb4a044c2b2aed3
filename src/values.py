"""What each setting may be: one table from key to rule. Imports no torch."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from src.data.method import METHODS, parse
from src.errors import InputError, nearest

# The names that the code knows; a test holds them against the tables of the code itself.
ACTIVATIONS = (
    "identity", "sigmoid", "tanh", "relu", "hardtanh", "leaky_relu", "prelu", "softmax",
    "sigmoid_by_hand", "tanh_by_hand", "relu_by_hand", "softmax_by_hand",
)  # fmt: skip
INITS = ("default", "xavier", "kaiming", "normal", "zeros")
METRICS = ("mse", "bce", "cross_entropy", "accuracy")
ANALYSES = ("curvature", "optimal_lr")


@dataclass(frozen=True)
class Rule:
    """A test, what it allows in words, an example, and the names among which it chooses."""

    test: Callable[[Any], bool]
    allowed: str
    example: str
    names: Sequence[str] = ()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _between(value: Any, low: float, high: float | None, above: bool = False) -> bool:
    return (value > low if above else value >= low) and (high is None or value <= high)


def whole(low: int, high: int | None = None, *, example: str, null: str = "") -> Rule:
    text = f"a whole number, {low} or more" if high is None else f"a whole number, {low} to {high}"
    return Rule(
        lambda v: (v is None and bool(null)) or (_is_whole(v) and _between(v, low, high)),
        text + (f", or null ({null})" if null else ""),
        example,
    )


def number(
    low: float, high: float = math.inf, *, example: str, above: bool = False, null: str = ""
) -> Rule:
    text = f"a finite number {'above' if above else 'from'} {low:g}"
    text += f" and below {high:g}" if high < math.inf else ("" if above else " up")
    return Rule(
        lambda v: (
            (v is None and bool(null))
            or (_is_number(v) and v != high and _between(v, low, high, above))
        ),
        text + (f", or null ({null})" if null else ""),
        example,
    )


def one_of(names: Sequence[Any], *, example: str, null: str = "") -> Rule:
    return Rule(
        lambda v: (v is None and bool(null)) or (v in names and type(v) is type(names[0])),
        ", ".join(map(str, names)) + (f", or null ({null})" if null else ""),
        example,
        [str(n) for n in names],
    )


def flag(*, example: str) -> Rule:
    return Rule(lambda v: isinstance(v, bool), "true or false", example)


def _is_list(value: object, test: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(test, value))


def _is_positive(value: object) -> bool:
    return _is_whole(value) and value > 0  # type: ignore[operator]


def _is_matrix(value: object) -> bool:
    return _is_list(value, lambda row: _is_list(row, _is_number))


def _is_pair(value: object) -> bool:
    return _is_list(value, _is_positive) and len(value) == 2  # type: ignore[arg-type]


def _is_normalisation(value: object) -> bool:
    try:
        parse(str(value))
    except ValueError:
        return False
    return True


def _is_early_stop(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and _is_positive(value.get("patience"))
        and set(value) <= {"patience", "min_delta"}
        and _is_number(value.get("min_delta", 0.0))
        and value.get("min_delta", 0.0) >= 0
    )


def _is_range(value: object) -> bool:
    return value is None or (
        _is_list(value, _is_number) and len(value) == 2 and value[0] < value[1]  # type: ignore
    )


SEED = whole(0, 2**32 - 1, example="42")
FACTOR = number(0, 1, example="0.9")
SMALL = number(0, example="1e-8")
TEXT = Rule(lambda v: isinstance(v, str), "a text", "input")
NORMALISATION = Rule(
    _is_normalisation,
    METHODS,
    "constant:0.1",
    ("none", "standardize", "min_max", "constant:0.1", "lp_norm:2"),
)
MATRIX = Rule(_is_matrix, "a list of rows of finite numbers", "'[[1, 2], [3, 4]]'")

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
    "analysis": one_of(ANALYSES, example="curvature", null="none"),
    "ckpt": Rule(
        lambda v: v is None or (isinstance(v, str) and v != ""),
        "a run's checkpoint.ckpt, or null",
        "outputs/sine/RUN/checkpoint.ckpt",
    ),
    "trainer.accelerator": one_of(("cpu", "gpu"), example="cpu"),
    "trainer.threads": whole(1, example="1"),
    "trainer.max_epochs": whole(0, example="1000"),
    "trainer.gradient_clip_val": number(0, above=True, example="1.0", null="no limit"),
    "logger.tensorboard": flag(example="true"),
    "logger.histograms": flag(example="false"),
    "data.val_fraction": number(0, 1, example="0.2"),
    "data.split_seed": SEED,
    "data.shuffle": flag(example="true"),
    "data.batch_size": whole(1, example="200", null="the whole training split at once"),
    "data.normalize_input": NORMALISATION,
    "data.normalize_target": NORMALISATION,
    "data.normalize_on": one_of(("train", "all"), example="train"),
    "data.probe": Rule(
        lambda v: v is None or _is_matrix(v), f"null, or {MATRIX.allowed}", "'[[10.0]]'"
    ),
    "data.input_name": TEXT,
    "data.target_name": TEXT,
    "data.unit": Rule(lambda v: v is None or isinstance(v, str), "a text, or null", "F"),
    "data.classes": Rule(
        lambda v: v is None or _is_list(v, lambda n: isinstance(n, str)),
        "a list of names, or null",
        "'[Not Spam, Spam]'",
    ),
    "data.range": Rule(_is_range, "null, or two numbers, the smaller one first", "'[20, 90]'"),
    "data.source.inputs": MATRIX,
    "data.source.targets": Rule(
        lambda v: v is None or _is_matrix(v), f"null, or {MATRIX.allowed}", "'[[1], [0]]'"
    ),
    "data.source.task": one_of(("regression", "binary", "classes"), example="regression"),
    "data.source.kind": one_of(("and", "or", "xor"), example="xor"),
    "data.source.points": whole(2, example="3000"),
    "data.source.end": number(0, above=True, example="100.0"),
    "data.source.rows": whole(1, example="5"),
    "data.source.features": whole(1, example="10"),
    "data.source.eigenvalues": Rule(
        lambda v: _is_list(v, lambda x: _is_number(x) and x > 0),
        "a list of numbers above 0",
        "'[1, 4, 9]'",
    ),
    "model.width": Rule(
        lambda v: v is None or _is_positive(v) or _is_list(v, _is_positive),
        "null (no hidden layer), a whole number from 1, or a list of them",
        "'[5,5]'",
    ),
    "model.activation": one_of(ACTIVATIONS, example="tanh"),
    "model.output_activation": one_of(ACTIVATIONS, example="identity"),
    "model.outputs": whole(1, example="2", null="as many as the target has"),
    "model.bias": flag(example="true"),
    "model.init": one_of(INITS, example="xavier"),
    "model.layers": Rule(
        lambda v: _is_list(v, _is_pair),
        "a list of [inputs, outputs], whole numbers from 1",
        "'[[4,5],[5,2]]'",
    ),
    "model.weight_scale": number(0, example="0.1"),
    "optimizer.lr": number(0, example="0.01"),
    "optimizer.weight_decay": number(0, example="0.01"),
    "optimizer.momentum": FACTOR,
    "optimizer.alpha": FACTOR,
    "optimizer.nesterov": flag(example="false"),
    "optimizer.lr_decay": SMALL,
    "optimizer.eps": SMALL,
    "optimizer.betas": Rule(
        lambda v: _is_list(v, lambda b: _is_number(b) and 0 <= b < 1) and len(v) == 2,
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
        lambda v: _is_list(v, _is_number), "a list of finite numbers", "'[1, 1]'"
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
