"""Field types of the config: each has a test, a cast, what it allows in words, an example."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from small_nets.config.cast_value import Cast, each, read, same, to_float, to_whole

Test = Callable[[Any], bool]
# The type of a table's column with such values. Anything but a number or a boolean is text.
Kind = Literal["float", "int", "bool", "text"]
LARGEST_FLOAT = sys.float_info.max
LARGEST = 10**9  # the largest integer of a field that names no other


@dataclass(frozen=True)
class Field:
    """What a key may be.

    test: whether a value is allowed, after its cast. allowed: the same in words. example: a value
    as it is typed. names: the names among which the key chooses. cast: turns a value into the
    key's type, before it is tested, hashed, compared or used. kind: of the values other than null.
    why: what is wrong with a value that is not allowed, as the end of a sentence; "" where the rest
    says it.
    """

    test: Test
    allowed: str
    example: str
    names: Sequence[str] = ()
    cast: Cast = same
    kind: Kind = "text"
    why: Callable[[Any], str] = lambda _: ""


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
    """Whether a value is a list whose items pass the test. length: None for one or more items."""
    if not isinstance(value, list) or not value or len(value) != (length or len(value)):
        return False
    return all(map(test, value))


def is_matrix(value: object) -> bool:
    return is_list(value, lambda row: is_list(row, is_number))


def nullable(field: Field, null: str = "", example: str | None = None) -> Field:
    """A field that also allows null. null: what null means, in words."""
    return replace(
        field,
        test=lambda v: v is None or field.test(v),
        allowed=f"{field.allowed}, or null{f' ({null})' if null else ''}",
        example=field.example if example is None else example,
    )


def integer(minimum: int, maximum: int | None = None, *, example: str) -> Field:
    """A field of whole numbers in a range, both ends included."""
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
    """A field of numbers from `minimum` on and below `below`. is_open: without `minimum` itself."""
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
    """A field that takes one of these names, or one of these whole numbers."""
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
    """A field that is true or false."""
    return Field(lambda v: isinstance(v, bool), "true or false", example, cast=read, kind="bool")


def text(allowed: str, *, example: str) -> Field:
    """A field of texts that are not empty."""
    return Field(is_text, allowed, example)


def list_of(
    test: Test, allowed: str, *, example: str, cast: Cast, length: int | None = None,
    most: int = LARGEST,
) -> Field:  # fmt: skip
    """A field of lists whose items pass the test. length: None for 1 to `most` items."""
    return Field(
        lambda v: is_list(v, test, length) and len(v) <= most, allowed, example, cast=each(cast)
    )
