"""Values to the type of their key: 1, 1.0 and the text '1' of a variable are one learning rate.

A cast never fails: what has no such type stays as it is, and the key's field refuses it.
"""

import re
from collections.abc import Callable
from typing import Any

Cast = Callable[[Any], Any]
# As Hydra's lexer reads them.
_DIGITS = r"\d(_?\d)*"
_UNSIGNED = r"(0|[1-9](_?\d)*)"
_POINT = rf"({_UNSIGNED}\.|{_UNSIGNED}?\.{_DIGITS})"
INTEGER = re.compile(rf"[+-]?{_UNSIGNED}", re.ASCII)
FLOAT = re.compile(
    rf"[+-]?({_POINT}|({_UNSIGNED}|{_POINT})e[+-]?{_DIGITS}|inf|nan)", re.IGNORECASE | re.ASCII
)
WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}
EXACT = 2**53  # whole numbers up to here are all floats
LONGEST = 1000  # characters of a text that is read as a number


def same(value: Any) -> Any:
    """No cast."""
    return value


def read(value: Any) -> Any:
    """A text that Hydra would have read as null, true, false or a number, as that.

    So is a number that comes from an environment variable, or in quotes.
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
    """Whole numbers become floats; -0.0 is 0.0, since no setting means another thing by it."""
    value = read(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return float(value) + 0.0
    except OverflowError:
        return value


def to_whole(value: Any) -> Any:
    """Floats without a fraction become whole numbers: 1e3 is a thousand."""
    value = read(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


def to_text(value: Any) -> Any:
    """Whole numbers become texts: a column may be called 2020."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def each(cast: Cast) -> Cast:
    """A cast of lists, item by item."""
    return lambda value: [cast(item) for item in value] if isinstance(value, list) else value


def one_or_list(cast: Cast) -> Cast:
    """A cast of values that stand for themselves, or in a list: a list of one is that one."""

    def either(value: Any) -> Any:
        if not isinstance(value, list):
            return cast(value)
        found = [cast(item) for item in value]
        return found[0] if len(found) == 1 else found

    return either


def entries(casts: dict[str, Cast], default: dict[str, Any]) -> Cast:
    """A cast of mappings, key by key; a key that is left out gets its default."""

    def whole(value: Any) -> Any:
        if not isinstance(value, dict):
            return read(value)
        return default | {k: casts.get(k, same)(v) for k, v in value.items()}

    return whole
