"""How a setting's rule is stated: a test, what it allows in words, an example."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A test, what it allows in words, an example, and the names among which it chooses."""

    test: Callable[[Any], bool]
    allowed: str
    example: str
    names: Sequence[str] = ()


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _between(value: Any, low: float, high: float | None, above: bool = False) -> bool:
    return (value > low if above else value >= low) and (high is None or value <= high)


def whole(low: int, high: int | None = None, *, example: str, null: str = "") -> Rule:
    text = f"a whole number, {low} or more" if high is None else f"a whole number, {low} to {high}"
    return Rule(
        lambda v: (v is None and bool(null)) or (is_whole(v) and _between(v, low, high)),
        text + (f", or null ({null})" if null else ""),
        example,
    )


def number(
    low: float, high: float = math.inf, *, example: str, above: bool = False, null: str = ""
) -> Rule:
    text = f"a finite number {'above' if above else 'from'} {low:g}"
    text = "a finite number" if low == -math.inf else text
    text += f" and below {high:g}" if high < math.inf else ("" if above else " up")
    return Rule(
        lambda v: (
            (v is None and bool(null))
            or (is_number(v) and v != high and _between(v, low, high, above))
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


def is_list(value: object, test: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(test, value))


def is_positive(value: object) -> bool:
    return is_whole(value) and value > 0  # type: ignore[operator]


def is_matrix(value: object) -> bool:
    return is_list(value, lambda row: is_list(row, is_number))


def is_pair(value: object) -> bool:
    return is_list(value, is_positive) and len(value) == 2  # type: ignore[arg-type]
