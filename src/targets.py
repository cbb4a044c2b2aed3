"""What a config may instantiate, and nothing else.

A `_target_` is a key of a table, never a name to import, so a config that a stranger sent
cannot make this program run code of his choice.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch

from src import losses
from src.data import shapes, sources
from src.errors import InputError
from src.models import mlp, neurons
from src.optim import by_hand, schedules


def _named(module: ModuleType, *names: str) -> dict[str, Callable[..., Any]]:
    return {f"{module.__name__}.{name}": getattr(module, name) for name in names}


# What each section of a config may instantiate.
TARGETS: dict[str, dict[str, Callable[..., Any]]] = {
    "data.source": _named(sources, "rows", "gate", "sine", "normal", "quadratic", "table")
    | _named(shapes, "circles", "moons"),
    "model": _named(mlp, "mlp", "layers", "SideBySide")
    | _named(neurons, "FixedNeuron", "BareNeuron", "BareLine"),
    "loss": _named(losses, "mse", "bce", "bce_log_odds", "cross_entropy")
    | _named(losses, "mse_by_hand", "bce_by_hand", "cross_entropy_by_hand"),
    "optimizer": _named(torch.optim, "SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
    | _named(by_hand, "sgd", "momentum", "adagrad", "rmsprop", "adam"),
    "scheduler": _named(schedules, "step", "exponential", "cosine", "warmup"),
}


def target_of(section: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """The callable behind a section's `_target_`. Raises InputError outside the allow-list."""
    name = section.get("_target_")
    if not isinstance(name, str) or name not in TARGETS[where]:
        raise InputError(
            f"{where}._target_={name} is not on the allow-list (src/targets.py); nothing was "
            f"imported.\nAllowed: {', '.join(TARGETS[where])}"
        )
    return TARGETS[where][name]


def refuse_foreign_targets(config: Any, where: str = "") -> None:
    """Raises InputError for any `_target_` that is not on the allow-list of its section."""
    if isinstance(config, Mapping):
        if config.get("_target_") is not None:
            if where not in TARGETS:
                raise InputError(f"{where}: only {', '.join(TARGETS)} may have a _target_")
            target_of(config, where)
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
