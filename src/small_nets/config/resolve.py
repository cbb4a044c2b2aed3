"""Resolves a composed config to plain containers, with each value cast to its key's type."""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from small_nets.config.errors import InputError
from small_nets.config.schema import FIELDS, check_value

READ = 8  # the longest chain of keys that read from one another


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations replaced. Raises InputError."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(unresolved(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def unresolved(error: OmegaConfBaseException) -> str:
    """The message for an interpolation that cannot be resolved."""
    key = str(error.full_key or "")
    at = f"{key}: " if key else ""
    lines = str(error).splitlines() or [type(error).__name__]
    variable = re.search(r"Environment variable '(.*)' not found", lines[0])
    if variable is not None:
        return (
            f"{at}the environment variable {variable[1]} is not set.\n"
            f"Fix: {variable[1]}=VALUE in front of the command, or a default: "
            f"'{key}=${{oc.env:{variable[1]},VALUE}}'"
        )
    return f"{at}{lines[0]}"


def typed(config: DictConfig, keep: bool = False) -> DictConfig:
    """The config with every value cast to its key's type, before other keys read it.

    keep: interpolations stay interpolations. Raises InputError where one cannot be resolved.
    """
    for _ in range(READ):
        found = casts(resolve(config))
        if keep:
            found = {k: v for k, v in found.items() if not _is_read(config, k)}
        if not found:
            break
        whole, config = config, copy.deepcopy(config)
        OmegaConf.copy_cache(from_config=whole, to_config=config)
        for key, value in found.items():
            OmegaConf.update(config, key, value, merge=False)
    return config


def _is_read(config: DictConfig, key: str) -> bool:
    """Whether a value is an interpolation, or contains one."""
    found: Any = OmegaConf.to_container(config, resolve=False)
    for word in key.split("."):
        if isinstance(found, str):  # the whole section is an interpolation
            return True
        found = found[word]
    return "${" in str(found)


def casts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> cast value, of the keys whose values a cast changes.

    settings: a resolved config, as plain containers. A value that its field forbids is left out,
    so that a message shows it as it was typed.
    """
    found = {}
    for key, value, target in _leaves(settings, "", ""):
        with suppress(InputError):
            cast = check_value(key, value, target)
            # Compared as texts, which tells 1 from 1.0, and 0.0 from -0.0.
            if cast is not value and repr(cast) != repr(value):
                found[key] = cast
    return found


def _leaves(section: Mapping[str, Any], path: str, target: str) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and the `_target_` of its section. A mapping with a field is one value."""
    for name, value in section.items():
        key = f"{path}{name}"
        if isinstance(value, Mapping) and key not in FIELDS:
            yield from _leaves(value, f"{key}.", str(value.get("_target_", "")))
        else:
            yield key, value, target
