"""What each setting of the data section may be. Imports no torch."""

import math

from src.data.method import METHODS, parse
from src.rule import (
    Rule,
    flag,
    is_list,
    is_matrix,
    is_number,
    is_whole,
    number,
    one_of,
    whole,
)


def _is_normalisation(value: object) -> bool:
    try:
        parse(str(value))
    except ValueError:
        return False
    return True


def _is_range(value: object) -> bool:
    return value is None or (
        is_list(value, is_number) and len(value) == 2 and value[0] < value[1]  # type: ignore
    )


def _is_name(value: object) -> bool:
    # A column may be called 2020, which Hydra reads as a number.
    return (isinstance(value, str) and value != "") or is_whole(value)


SEED = whole(0, 2**32 - 1, example="42")
TEXT = Rule(lambda v: v is None or isinstance(v, str), "a text, or null", "input")
NORMALISATION = Rule(
    _is_normalisation,
    METHODS,
    "constant:0.1",
    ("none", "standardize", "min_max", "constant:0.1", "lp_norm:2"),
)
MATRIX = Rule(is_matrix, "a list of rows of finite numbers", "'[[1, 2], [3, 4]]'")

DATA_RULES: dict[str, Rule] = {
    "data.val_fraction": number(-math.inf, example="0.2"),  # its range: where the rows are known
    "data.split_seed": SEED,
    "data.shuffle": flag(example="true"),
    "data.batch_size": Rule(
        lambda v: v is None or is_whole(v),  # its range: where the rows are known
        "a whole number from 1, or null (the whole training split at once)",
        "200",
    ),
    "data.normalize_input": NORMALISATION,
    "data.normalize_target": Rule(
        lambda v: v is None or _is_normalisation(v),
        f"{METHODS}, or null (none; standardize for the numbers of a table)",
        "standardize",
        NORMALISATION.names,
    ),
    "data.normalize_on": one_of(("train", "all"), example="train"),
    "data.probe": Rule(
        lambda v: v is None or is_matrix(v), f"null, or {MATRIX.allowed}", "'[[10.0]]'"
    ),
    "data.input_name": TEXT,
    "data.target_name": TEXT,
    "data.path": Rule(
        lambda v: isinstance(v, str) and v != "", "a CSV or a Parquet file", "my.csv"
    ),
    "data.inputs": Rule(lambda v: is_list(v, _is_name), "a list of the table's columns", "'[a,b]'"),
    "data.target": Rule(_is_name, "a column of the table", "c"),
    "data.digest": Rule(
        lambda v: v is None, "null: the program fills it in, from the file's content", "null"
    ),
    "data.unit": Rule(lambda v: v is None or isinstance(v, str), "a text, or null", "F"),
    "data.classes": Rule(
        lambda v: v is None or is_list(v, lambda n: isinstance(n, str)),
        "a list of names, or null",
        "'[Not Spam, Spam]'",
    ),
    "data.range": Rule(_is_range, "null, or two numbers, the smaller one first", "'[20, 90]'"),
    "data.source.inputs": MATRIX,
    "data.source.targets": Rule(
        lambda v: v is None or is_matrix(v), f"null, or {MATRIX.allowed}", "'[[1], [0]]'"
    ),
    "data.source.task": one_of(("regression", "binary", "classes"), example="regression"),
    "data.source.kind": one_of(("and", "or", "xor"), example="xor"),
    "data.source.points": whole(2, example="3000"),
    "data.source.noise": number(0, example="0.1"),
    "data.source.factor": number(0, 1, example="0.5"),
    "data.source.end": number(0, above=True, example="100.0"),
    "data.source.rows": whole(1, example="5"),
    "data.source.features": whole(1, example="10"),
    "data.source.eigenvalues": Rule(
        lambda v: is_list(v, lambda x: is_number(x) and x > 0),
        "a list of numbers above 0",
        "'[1, 4, 9]'",
    ),
}
