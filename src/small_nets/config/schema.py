"""The table from config key to field: what each key may be. Without torch."""

import math
import os
import re
from typing import Any

from small_nets.config.cast_value import entries, to_float, to_whole
from small_nets.config.components import METRICS
from small_nets.config.data_schema import DATA_FIELDS, SEED
from small_nets.config.errors import InputError, nearest
from small_nets.config.field_types import (
    Field,
    Kind,
    boolean,
    integer,
    is_list,
    is_number,
    is_positive,
    list_of,
    nullable,
    number,
    one_of,
    text,
)
from small_nets.config.grammar_quoting import quote
from small_nets.config.model_schema import LAYERS, MODEL_FIELDS
from small_nets.config.sweep_schema import SWEEP_FIELDS

LINE = 200  # characters of a value that a message repeats
LONG = 10_000  # bits of a number that is printed; Python refuses much longer ones
AS_TEXT = """\nIt is a text. From a variable: '{key}="${{oc.decode:${{oc.env:NAME}}}}"'"""
ENGINES = ("lightning", "stacked", "fused")


def _is_early_stop(value: object) -> bool:
    return (
        isinstance(value, dict)
        and is_positive(value.get("patience"))
        and set(value) <= {"patience", "min_delta"}
        and is_number(value.get("min_delta", 0.0))
        and value.get("min_delta", 0.0) >= 0
    )


def _is_class_weight(value: object) -> bool:
    # Within these limits a float32 can be multiplied and divided by it.
    return is_number(value) and 1e-6 <= value <= 1e6  # type: ignore[operator]


FACTOR = number(0, 1, example="0.9")
SMALL = number(0, example="1e-8")
ONE_BY_ONE = nullable(
    Field(lambda v: isinstance(v, bool), "true or false", "null"), "torch chooses"
)
NEVER = Field(lambda v: v is False, "false: no graph runs through the updates here", "false")

FIELDS: dict[str, Field] = {
    "name": Field(
        lambda v: isinstance(v, str) and re.fullmatch(r"[\w.-]+", v) is not None and v[0] != ".",
        "letters, digits, _ - and .: it names a folder",
        "sine",
    ),
    "description": Field(lambda v: isinstance(v, str), "a text", "'my first net'"),
    "seed": SEED,
    "precision": one_of((32, 64), example="64"),
    "log_every": nullable(integer(1, example="10"), "about 100 points a run"),
    "print_every": nullable(
        integer(1, example="1000"), "a tenth of the run, or in a terminal a bar"
    ),
    "early_stop": nullable(
        Field(
            _is_early_stop,
            "{patience: logged points (1 or more), min_delta: improvement that counts (0 or more; "
            "default 0)}",
            "'{patience: 10}'",
            cast=entries({"patience": to_whole, "min_delta": to_float}, {"min_delta": 0.0}),
        )
    ),
    "metrics": Field(
        lambda v: isinstance(v, list) and all(name in [*METRICS] for name in v),
        f"a list of {', '.join(METRICS)}",
        "'[mse, accuracy]'",
    ),
    "analysis": nullable(
        one_of(("curvature", "optimal_lr", "sharpness"), example="curvature"), "none"
    ),
    "print": one_of(("few", "all"), example="all"),
    "pictures": one_of(("none", "few", "all"), example="all"),
    "ckpt": nullable(text("a run's checkpoint.ckpt", example="outputs/sine/RUN/checkpoint.ckpt")),
    "engine": nullable(
        one_of(ENGINES, example="fused"), "lightning for one run, what suits in a sweep"
    ),
    **SWEEP_FIELDS,
    "trainer.accelerator": one_of(("cpu", "gpu"), example="cpu"),
    "trainer.threads": integer(1, os.cpu_count(), example="1"),
    "trainer.max_epochs": integer(0, example="1000"),
    "trainer.gradient_clip_val": nullable(number(0, is_open=True, example="1.0"), "no limit"),
    "logger.tensorboard": boolean(example="true"),
    "logger.histograms": boolean(example="false"),
    **DATA_FIELDS,
    **MODEL_FIELDS,
    "loss.class_weight": nullable(
        Field(
            lambda v: v == "balanced" or is_list(v, _is_class_weight),
            "balanced, or a list with a number from 0.000001 to 1000000 for each class",
            "balanced",
            ("balanced",),
        ),
        "all alike",
    ),
    "optimizer.lr": number(0, 1e38, example="0.01"),
    "optimizer.weight_decay": number(0, example="0.01"),
    "optimizer.momentum": FACTOR,
    "optimizer.alpha": FACTOR,
    "optimizer.nesterov": boolean(example="false"),
    "optimizer.lr_decay": SMALL,
    "optimizer.dampening": number(0, example="0.0"),
    "optimizer.initial_accumulator_value": number(0, example="0.0"),
    "optimizer.amsgrad": boolean(example="false"),
    "optimizer.centered": boolean(example="false"),
    "optimizer.maximize": boolean(example="false"),
    "optimizer.decoupled_weight_decay": boolean(example="false"),
    "optimizer.foreach": ONE_BY_ONE,
    "optimizer.fused": ONE_BY_ONE,
    "optimizer.capturable": NEVER,
    "optimizer.differentiable": NEVER,
    "optimizer.eps": SMALL,
    "optimizer.betas": list_of(
        lambda b: is_number(b) and 0 <= b < 1,
        "two numbers from 0 and below 1",
        example="'[0.9, 0.999]'",
        cast=to_float,
        length=2,
    ),
    "scheduler.every": integer(1, example="1000"),
    "scheduler.factor": number(0, is_open=True, example="0.5"),
    "scheduler.decay": number(0, is_open=True, example="0.999"),
    "scheduler.steps": nullable(integer(1, example="1000"), "the whole run"),
    "scheduler.end": number(0, example="0.0"),
}

# Fields of a key for one component, where they differ from the key's field above.
OWN_FIELDS: dict[str, Field] = {
    "warmup scheduler.steps": integer(1, example="100"),
    "fixed_neuron model.activation": one_of(("step", *LAYERS), example="step"),
    "fixed_neuron model.weights": list_of(
        is_number, "a list of finite numbers", example="'[1, 1]'", cast=to_float
    ),
    "fixed_neuron model.bias": number(-math.inf, example="-1.5"),
    "bare_neuron model.activation": one_of(("naive_sigmoid", *LAYERS), example="relu"),
}


# The keys whose values have one kind for all components.
_OWN_KINDS = {(name.partition(" ")[2], field.kind) for name, field in OWN_FIELDS.items()}
KINDS: dict[str, Kind] = {
    key: field.kind
    for key, field in FIELDS.items()
    if all(kind == field.kind for other, kind in _OWN_KINDS if other == key)
}


def kind_of(key: str) -> Kind:
    """The kind of a key's values; text where they may have several."""
    return KINDS.get(key, "text")


def show(value: object) -> str:
    """A value as it is typed on the command line. Hydra reads the text as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int) and value.bit_length() > LONG:
        return f"{'-' if value < 0 else ''}… (a whole number of {value.bit_length()} bits)"
    return str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else show(key)


def _field(key: str, target: str) -> Field | None:
    return OWN_FIELDS.get(f"{target} {key}") or FIELDS.get(key)


def cast_value(key: str, value: Any, target: str = "") -> Any:
    """Cast a value to its key's type. It stays as it is where that is impossible.

    target: see `check_value`.
    """
    field = _field(key, target)
    return value if field is None else field.cast(value)


def check_value(key: str, value: Any, target: str = "") -> Any:
    """Cast a value to its key's type, and check it. A key without a field takes any value.

    target: the `_target_` of the key's section, which may have a field of its own. Raises
    InputError where the field forbids the value.
    """
    field = _field(key, target)
    if field is None:
        return value
    if value == "???":
        raise InputError(
            f"{key} has no value.\nAllowed: {field.allowed}\nFix: {key}={field.example}"
        )
    found = field.cast(value)
    if not field.test(found):
        is_text = isinstance(value, str) and value.strip()[:1] in ("[", "{")
        hint = AS_TEXT.format(key=key) if is_text else ""
        raise InputError(
            f"{key}={_short(show(value))} is not allowed{field.why(found) or '.'}"
            f"\nAllowed: {field.allowed}"
            f"{hint}{nearest(str(value)[:LINE], field.names)}\nFor example: {key}={field.example}"
        )
    return found


def _short(text: str) -> str:
    """A text, of which a long one is cut and its length named."""
    return text if len(text) <= LINE else f"{text[:LINE]}… ({len(text):,} characters)"
