"""The labels of a classification: from a column of texts to the places of its classes."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from src.data.task import Task
from src.errors import InputError

if TYPE_CHECKING:
    import polars as pl

MOST = 100  # classes: more is no label, but a number or a name of each row
DATE = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([T ].*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d+:\d\d.*")


def encode(
    texts: "pl.Series", path: Path, name: str, task: Task
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The place of each row's class, shape (rows,), and the classes, sorted.

    Whole numbers are sorted as numbers, and 1.0 is the class 1. Raises InputError where this
    is no target with classes.
    """
    import polars as pl

    distinct = texts.unique().sort().to_list()
    where = f"{path}: the target {name!r}"
    if {text.lower() for text in distinct} <= {"true", "false"}:
        raise InputError(f"{where} holds true and false: a bool column.\nFix: 1 and 0, or two "
                         "words, in their place")  # fmt: skip
    if all(map(DATE.fullmatch, distinct)):
        raise InputError(f"{where} holds dates, such as {distinct[0]!r}: no classes.\n"
                         "Fix: another data.target")  # fmt: skip
    numbers = {text: _as_number(text) for text in distinct}
    fractions = [t for t, n in numbers.items() if n is not None and n != math.floor(n)]
    if None not in numbers.values() and fractions:
        raise InputError(
            f"{where} holds numbers such as {fractions[0]}: no classes.\nFix: loss=mse, or a "
            "target of whole numbers or texts"
        )
    if len(distinct) > MOST:
        raise InputError(
            f"{where} has {len(distinct):,} different values, and a classification at most {MOST} "
            "classes.\nFix: loss=mse where they are numbers, else another data.target"
        )
    if any(number is None for number in numbers.values()):
        of = {text: text for text in distinct}
        classes = sorted(distinct)
    else:
        of = {text: str(int(number)) for text, number in numbers.items() if number is not None}
        classes = sorted(set(of.values()), key=int)
    if len(classes) == 1:
        raise InputError(f"{where} has one class, {classes[0]!r}, in every row: there is nothing "
                         "to learn.\nFix: another data.target")  # fmt: skip
    if task == "binary" and len(classes) != 2:
        raise InputError(
            f"{where} has {len(classes)} classes ({', '.join(classes[:10])}"
            f"{', …' if len(classes) > 10 else ''}), and loss=bce tells two apart.\n"
            "Fix: loss=cross_entropy model.output_activation=identity"
        )
    places = {text: float(classes.index(of[text])) for text in distinct}
    codes = texts.replace_strict(places, return_dtype=pl.Float64).to_numpy()
    return np.array(codes), tuple(classes)


def _as_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
