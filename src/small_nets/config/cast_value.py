"""Casts values to the type of their key: 1, 1.0 and the text '1' are one learning rate.

A cast never fails. A value that it cannot cast stays as it is, and the key's field refuses it.
"""

import re
from collections.abc import Callable
from typing import Any

Cast = Callable[[Any], Any]
# Numbers as Hydra's lexer reads them.
_DIGITS = r"\d(_?\d)*"
_UNSIGNED = r"(0|[1-9](_?\d)*)"
_POINT = rf"({_UNSIGNED}\.|{_UNSIGNED}?\.{_DIGITS})"
INTEGER = re.compile(rf"[+-]?{_UNSIGNED}", re.ASCII)
FLOAT = re.compile(
    rf"[+-]?({_POINT}|({_UNSIGNED}|{_POINT})e[+-]?{_DIGITS}|inf|nan)", re.IGNORECASE | re.ASCII
)
WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}
EXACT = 2**53  # up to here a float holds every whole number exactly
LONGEST = 1000  # characters of a text that is read as a number


def same(value: Any) -> Any:
    """Leave a value as it is."""
    return value


def read(value: Any) -> Any:
    """Turn a text that Hydra would read as null, true, false or a number into that value.

    Such texts come from environment variables and from quotes.
    """
    if not isinstance(value, str) or len(value) > LONGEST:
        return value
    text = value.strip()
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return value


def to_float(value: Any) -> Any:
    """Turn whole numbers into floats, and -0.0 into 0.0: no key tells these apart."""
    value = read(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return float(value) + 0.0
    except OverflowError:
        return value


def to_whole(value: Any) -> Any:
    """Turn floats without a fraction into whole numbers: 1e3 is a thousand."""
    value = read(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


def to_text(value: Any) -> Any:
    """Turn whole numbers into texts: a column may be called 2020."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def each(cast: Cast) -> Cast:
    """A cast for lists, applied to each item."""
    return lambda value: [cast(item) for item in value] if isinstance(value, list) else value


def one_or_list(cast: Cast) -> Cast:
    """A cast for a value or a list of values. A list of one becomes its item."""

    def either(value: Any) -> Any:
        if not isinstance(value, list):
            return cast(value)
        found = [cast(item) for item in value]
        return found[0] if len(found) == 1 else found

    return either


def entries(casts: dict[str, Cast], default: dict[str, Any]) -> Cast:
    """A cast for mappings, key by key. Missing keys get their defaults."""

    def whole(value: Any) -> Any:
        if not isinstance(value, dict):
            return read(value)
        return default | {k: casts.get(k, same)(v) for k, v in value.items()}

    return whole
