"""The fields of the config's data section: what each key may be. Without torch."""

import math
from collections.abc import Mapping
from typing import Any

from small_nets.config.cast_value import each, same, to_float, to_text, to_whole
from small_nets.config.field_types import (
    LARGEST,
    Field,
    boolean,
    integer,
    is_integer,
    is_list,
    is_matrix,
    is_number,
    is_text,
    list_of,
    nullable,
    number,
    one_of,
    text,
)
from small_nets.config.formula import is_formula, why_not
from small_nets.config.formula_words import ALLOWED, EXAMPLE
from small_nets.config.normalisations import METHODS, canonical, is_normalisation

# What separates the cells of a file: name as typed -> character. The names need no quotes in a
# shell.
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "\\t": "\t"}
SEPARATOR_WORDS = [name for name in SEPARATORS if name.isalpha()]


LARGEST_SEED = 2**32 - 1
SEED = integer(0, LARGEST_SEED, example="42")
NORMALISATION = Field(
    is_normalisation,
    METHODS,
    "constant:0.1",
    ("none", "standardize", "min_max", "constant:0.1", "lp_norm:2"),
    canonical,
)
MATRIX = Field(
    is_matrix, "a list of rows of finite numbers", "'[[1, 2], [3, 4]]'", cast=each(each(to_float))
)

# What null means for an example. For a table, its columns decide.
OF_EXAMPLES = {"normalize_target": "none", "input_name": "input", "target_name": "target"}


def of_example(data: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> value, of the keys that an example's data section leaves null."""
    return {key: value for key, value in OF_EXAMPLES.items() if data[key] is None}


FILLED_IN = Field(lambda v: v is None, "null: the program fills it in, from the table", "null")


def _text_or_null(example: str) -> Field:
    return nullable(Field(lambda v: isinstance(v, str), "a text", example))


DATA_FIELDS: dict[str, Field] = {
    # The ranges of fractions, folds and batch_size are checked where the number of rows is known.
    "data.val_fraction": number(-math.inf, example="0.2"),
    "data.split_seed": SEED,
    "data.test_fraction": number(-math.inf, example="0.2"),
    "data.test_seed": SEED,
    "data.folds": nullable(integer(2, example="5"), "no cross-validation"),
    "data.fold": nullable(integer(0, example="0"), "a sweep takes every fold"),
    "data.shuffle": boolean(example="true"),
    "data.stratify": nullable(boolean(example="true"), "where every class has enough rows"),
    "data.batch_size": Field(
        lambda v: v is None or (is_integer(v) and v <= LARGEST),
        f"a whole number from 1 to {LARGEST}, or null (the whole training split at once)",
        "200",
        cast=to_whole,
        kind="int",
    ),
    "data.normalize_input": NORMALISATION,
    "data.normalize_target": nullable(
        NORMALISATION, "none; standardize for the numbers of a table", example="standardize"
    ),
    "data.normalize_on": one_of(("train", "all"), example="train"),
    "data.probe": nullable(MATRIX, example="'[[10.0]]'"),
    "data.input_name": _text_or_null("input"),
    "data.target_name": _text_or_null("input"),
    "data.formula": Field(
        is_formula,
        ALLOWED,
        EXAMPLE,
        cast=to_text,
        why=why_not,
    ),
    "data.points": integer(2, example="400"),
    "data.low": number(-math.inf, example="-1.0"),
    "data.high": number(-math.inf, example="1.0"),
    "data.spacing": nullable(
        one_of(("even", "uniform"), example="uniform"), "even for one input, uniform for several"
    ),
    "data.noise": number(0, example="0.1"),
    "data.path": text("a CSV or a Parquet file", example="my.csv"),
    "data.inputs": Field(
        lambda v: v == "all" or is_list(v, is_text),
        "a list of the table's columns, or all (except the target and data.drop)",
        "'[a,b]'",
        ("all",),
        each(to_text),  # a column may be called 2020, which Hydra reads as a number
    ),
    "data.drop": Field(
        lambda v: v == [] or is_list(v, is_text),
        "a list of the table's columns that data.inputs=all leaves out",
        "'[id]'",
        cast=each(to_text),
    ),
    "data.target": Field(
        lambda v: is_text(v) or is_list(v, is_text),
        "a column of the table, or for loss=mse a list of them",
        "c",
        cast=lambda v: each(to_text)(v) if isinstance(v, list) else to_text(v),
    ),
    "data.missing": one_of(("refuse", "drop"), example="drop"),
    "data.unseen": one_of(("refuse", "zero"), example="zero"),
    "data.separator": nullable(
        Field(
            lambda v: v in (*SEPARATORS, *SEPARATORS.values()),
            ", ".join(SEPARATOR_WORDS),
            "semicolon",
            SEPARATOR_WORDS,
        ),
        "it is found",
    ),
    "data.digest": FILLED_IN,
    "data.label_type": FILLED_IN,
    "data.categories": FILLED_IN,
    "data.dropped": FILLED_IN,
    "data.unit": _text_or_null("F"),
    "data.classes": nullable(
        list_of(
            lambda v: isinstance(v, str), "a list of names", example="'[Not Spam, Spam]'", cast=same
        )
    ),
    "data.range": nullable(
        Field(
            lambda v: is_list(v, is_number, 2) and v[0] < v[1],
            "two numbers, the smaller one first",
            "'[20, 90]'",
            cast=each(to_float),
        )
    ),
    "data.source.inputs": MATRIX,
    "data.source.targets": nullable(MATRIX, example="'[[1], [0]]'"),
    "data.source.task": one_of(("regression", "binary", "classes"), example="regression"),
    "data.source.precision": one_of((32, 64), example="64"),
    "data.source.kind": one_of(("and", "or", "xor"), example="xor"),
    "data.source.points": integer(2, example="3000"),
    "data.source.noise": number(0, example="0.1"),
    "data.source.factor": number(0, 1, example="0.5"),
    "data.source.turns": number(0, 10, example="0.75"),
    "data.source.end": number(0, is_open=True, example="100.0"),
    "data.source.rows": integer(1, example="5"),
    "data.source.features": integer(1, example="10"),
    "data.source.eigenvalues": list_of(
        lambda x: is_number(x) and x > 0,
        "a list of numbers above 0",
        example="'[1, 4, 9]'",
        cast=to_float,
    ),
}
