"""Loads the code of a `_target_`, if the table of components lists it."""

from collections.abc import Callable, Mapping
from functools import cache
from pkgutil import resolve_name
from typing import Any

from small_nets.config.components import COMPONENTS, METRICS
from small_nets.config.errors import InputError
from small_nets.config.sections import component_of


@cache
def load(where: str) -> Callable[..., Any]:
    """Load code by its dotted path. where: from the table of components, never from a config."""
    return resolve_name(where)


def metrics_of(names: list[str]) -> dict[str, Callable[..., Any]]:
    """Name -> function, of the metrics that a checked config names."""
    return {name: load(METRICS[name].where) for name in names}


def target_of(section: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """The callable that a section's `_target_` names. Raises InputError for an unknown name."""
    return load(component_of(where, section).where)


def refuse_foreign_targets(config: Any, where: str = "") -> None:
    """Raises InputError for a `_target_` that its section cannot have, anywhere in a config."""
    if isinstance(config, Mapping):
        if config.get("_target_") is not None:
            if where not in COMPONENTS:
                raise InputError(f"{where}: only {', '.join(COMPONENTS)} may have a _target_")
            component_of(where, config)
        for key, value in config.items():
            refuse_foreign_targets(value, f"{where}.{key}" if where else str(key))


def settings_of(section: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a section without `_target_`: the arguments of its target."""
    return {key: value for key, value in section.items() if key != "_target_"}


def call(section: Mapping[str, Any], where: str, **more: Any) -> Any:
    """Call a section's target with its keys. Raises InputError where it refuses them."""
    function = target_of(section, where)
    try:
        return function(**settings_of(section) | more)
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:
        # torch raises RuntimeError for a net that does not fit into memory.
        text = str(error) if isinstance(error, ValueError) else str(error).splitlines()[0]
        raise InputError(f"{where}: {text}") from error
