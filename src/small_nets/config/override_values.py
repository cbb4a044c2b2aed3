"""Parses the values of overrides, and casts each to the type of its key."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from small_nets.config.overrides import key_of
from small_nets.config.schema import cast_value, show
from small_nets.config.unquoted_values import in_quotes

WHOLE_NUMBER = re.compile(r"^([A-Za-z_][\w.]*)=(-?(?:0|[1-9]\d{0,17}))$", re.ASCII)
# What parsing a text may raise. Python raises ValueError for a number of 5,000 digits, and
# RecursionError for a thousand brackets.
REFUSED = (HydraException, ValueError, RecursionError)


def read(text: str) -> Override | None:
    """Parse an override; None where Hydra's grammar refuses it, or it has no key."""
    try:
        found = OverridesParser.create().parse_override(in_quotes(text))
    except REFUSED:
        return None
    return found if found.key_or_group else None


def given_value(override: str) -> Any:
    """The value of an override, cast to its key's type; its text where it cannot be parsed."""
    number = WHOLE_NUMBER.match(override)
    if number is not None:  # Hydra's parser takes half a millisecond, too long for 10,000 seeds
        return cast_value(number[1], int(number[2]))
    found = read(override)
    if found is None:
        return override.partition("=")[2]
    return cast_value(key_of(override), found.value())


def given_values(overrides: Iterable[str]) -> dict[str, Any]:
    """Key -> value of overrides. It stands in for a config that is invalid."""
    return {key_of(override): given_value(override) for override in overrides}


@lru_cache(maxsize=65536)
def canonical(override: str) -> str:
    """The one spelling of all overrides that give a key the same value."""
    key, sign, _ = override.partition("=")
    return f"{key}={show(given_value(override))}" if sign else override


def one_text(key: str, text: str) -> str:
    """The one spelling of all texts that give a key the same value.

    A text with an interpolation stays as it is, since it is resolved later.
    """
    return text if "${" in text else canonical(f"{key_of(key)}={text}").partition("=")[2]
