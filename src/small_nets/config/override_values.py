"""What overrides give to their keys, each value of its key's type."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from small_nets.config.overrides import key_of
from small_nets.config.schema import cast_value, show

WHOLE_NUMBER = re.compile(r"^([A-Za-z_][\w.]*)=(-?(?:0|[1-9]\d{0,17}))$", re.ASCII)
# A number of 5,000 digits is a ValueError of Python's; a thousand brackets are a RecursionError.
REFUSED = (HydraException, ValueError, RecursionError)


def read(text: str) -> Override | None:
    """The override that a text is; None where the grammar refuses it, or it has no key."""
    try:
        found = OverridesParser.create().parse_override(text)
    except REFUSED:
        return None
    return found if found.key_or_group else None


def given_value(override: str) -> Any:
    """The value, of its key's type; the text of one that the grammar refuses."""
    number = WHOLE_NUMBER.match(override)
    if number is not None:  # the grammar takes half a millisecond for each of ten thousand seeds
        return cast_value(number[1], int(number[2]))
    found = read(override)
    if found is None:
        return override.partition("=")[2]
    return cast_value(key_of(override), found.value())


def given_values(overrides: Iterable[str]) -> dict[str, Any]:
    """Key -> value, of a run whose config cannot be."""
    return {key_of(override): given_value(override) for override in overrides}


@lru_cache(maxsize=65536)
def canonical(override: str) -> str:
    """One text for all overrides that give a key the same value."""
    key, sign, _ = override.partition("=")
    return f"{key}={show(given_value(override))}" if sign else override


def one_text(key: str, text: str) -> str:
    """One text for all that give the key the same value; as it is, where a trial resolves it."""
    return text if "${" in text else canonical(f"{key_of(key)}={text}").partition("=")[2]
