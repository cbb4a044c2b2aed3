"""The names of the normalisations, and how they are parsed. Without torch."""

import math
import re
from typing import Any

PLAIN = ("none", "standardize", "min_max")
METHODS = "none, standardize, min_max, constant:FACTOR (a factor above 0), lp_norm:P (P from 1 up)"


def parse(method: str) -> tuple[str, float]:
    """Split a method into name and number: "lp_norm:5" -> ("lp_norm", 5.0).

    The number is 1.0 where the method has none. Raises ValueError, which lists the allowed forms.
    """
    if method in PLAIN:
        return method, 1.0
    name, _, text = method.partition(":")
    number = float(text) if re.fullmatch(r"\d*\.?\d+(e[+-]?\d+)?|\d+\.", text) else math.nan
    if (name == "constant" and 0 < number < math.inf) or (
        name == "lp_norm" and 1 <= number < math.inf
    ):
        return name, number
    raise ValueError(f"{method!r} is not a normalisation. Allowed: {METHODS}")


def canonical(method: Any) -> Any:
    """The one spelling of a method: "constant:0.10" becomes "constant:0.1". Others stay."""
    if not is_normalisation(method) or method in PLAIN:
        return method
    name, number = parse(method)
    return f"{name}:{repr(number).removesuffix('.0')}"


def is_normalisation(method: object) -> bool:
    try:
        return isinstance(method, str) and bool(parse(method))
    except ValueError:
        return False
