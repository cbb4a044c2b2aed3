"""What a field of the config may hold: its type, a test, what it allows in words, an example."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from small_nets.config.cast_value import Cast, each, read, same, to_float, to_whole

Test = Callable[[Any], bool]
# Of a column that holds such values; text for all that is no plain number or flag.
Kind = Literal["float", "int", "bool", "text"]
LARGEST_FLOAT = sys.float_info.max
LARGEST = 10**9  # integer of a field, unless it names another


@dataclass(frozen=True)
class Field:
    """A test, what it allows in words, an example, and the names among which it chooses.

    cast: to the type of the field, before the test and before anything is hashed, compared or
    trained. kind: of the values, null left out.
    """

    test: Test
    allowed: str
    example: str
    names: Sequence[str] = ()
    cast: Cast = same
    kind: Kind = "text"


def is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST_FLOAT <= value <= LARGEST_FLOAT  # of integers, too


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_positive(value: object) -> bool:
    return is_integer(value) and 0 < value <= LARGEST  # type: ignore[operator]


def is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def is_list(value: object, test: Test, length: int | None = None) -> bool:
    """Whether it is a list of such items, of so many; None: of one or more."""
    if not isinstance(value, list) or not value or len(value) != (length or len(value)):
        return False
    return all(map(test, value))


def is_matrix(value: object) -> bool:
    return is_list(value, lambda row: is_list(row, is_number))


def nullable(field: Field, null: str = "", example: str | None = None) -> Field:
    """The field, or null, which means `null`."""
    return replace(
        field,
        test=lambda v: v is None or field.test(v),
        allowed=f"{field.allowed}, or null{f' ({null})' if null else ''}",
        example=field.example if example is None else example,
    )


def integer(minimum: int, maximum: int | None = None, *, example: str) -> Field:
    most = LARGEST if maximum is None else maximum
    words = f"{minimum} or more, up to {most}" if maximum is None else f"{minimum} to {most}"
    return Field(
        lambda v: is_integer(v) and minimum <= v <= most,
        f"a whole number, {words}",
        example,
        cast=to_whole,
        kind="int",
    )


def number(
    minimum: float, below: float = math.inf, *, example: str, is_open: bool = False
) -> Field:
    """A number from the minimum on, or where it is open above it, and below another."""
    words = f"a finite number {'above' if is_open else 'from'} {minimum:g}"
    words = "a finite number" if minimum == -math.inf else words
    words += f" and below {below:g}" if below < math.inf else ("" if is_open else " up")
    return Field(
        lambda v: is_number(v) and (v > minimum if is_open else v >= minimum) and v < below,
        words,
        example,
        cast=to_float,
        kind="float",
    )


def one_of(names: Sequence[Any], *, example: str) -> Field:
    are_numbers = is_integer(names[0])
    return Field(
        lambda v: type(v) is type(names[0]) and v in names,
        ", ".join(map(str, names)),
        example,
        [str(n) for n in names],
        cast=to_whole if are_numbers else same,
        kind="int" if are_numbers else "text",
    )


def boolean(*, example: str) -> Field:
    return Field(lambda v: isinstance(v, bool), "true or false", example, cast=read, kind="bool")


def text(allowed: str, *, example: str) -> Field:
    """A text that is not empty."""
    return Field(is_text, allowed, example)


def list_of(
    test: Test, allowed: str, *, example: str, cast: Cast, length: int | None = None
) -> Field:
    """A list of so many items, each of which passes the test; None: of one or more."""
    return Field(lambda v: is_list(v, test, length), allowed, example, cast=each(cast))
