"""From a `_target_` to its code: what the table of components lists, and nothing else."""

from collections.abc import Callable, Mapping
from functools import cache
from pkgutil import resolve_name
from typing import Any

from small_nets.config.components import COMPONENTS, METRICS
from small_nets.config.errors import InputError
from small_nets.config.sections import component_of


@cache
def load(where: str) -> Callable[..., Any]:
    """The code that a row of the table of components names. where: as there, never of a config."""
    return resolve_name(where)


def metrics_of(names: list[str]) -> dict[str, Callable[..., Any]]:
    """Name -> function, of those that a checked config asks for."""
    return {name: load(METRICS[name].where) for name in names}


def target_of(section: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """The callable behind a section's `_target_`. Raises InputError outside the allow-list."""
    return load(component_of(where, section).where)


def refuse_foreign_targets(config: Any, where: str = "") -> None:
    """Raises InputError for any `_target_` of an unchecked config that its section cannot have."""
    if isinstance(config, Mapping):
        if config.get("_target_") is not None:
            if where not in COMPONENTS:
                raise InputError(f"{where}: only {', '.join(COMPONENTS)} may have a _target_")
            component_of(where, config)
        for key, value in config.items():
            refuse_foreign_targets(value, f"{where}.{key}" if where else str(key))


def settings_of(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "_target_"}


def call(section: Mapping[str, Any], where: str, **more: Any) -> Any:
    """Call a section's target; what it cannot do with the settings is the user's input."""
    function = target_of(section, where)
    try:
        return function(**settings_of(section) | more)
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:
        # torch's RuntimeError is its answer to a net that no memory can hold.
        text = str(error) if isinstance(error, ValueError) else str(error).splitlines()[0]
        raise InputError(f"{where}: {text}") from error
