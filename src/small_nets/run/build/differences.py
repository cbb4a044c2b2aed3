"""Finds the keys in which a run's config differs from the defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from small_nets.config import conf_files, defaults_lists
from small_nets.config.check import GROUPS
from small_nets.config.components import is_table
from small_nets.config.conf_files import CONF
from small_nets.config.errors import InputError
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.resolve import casts
from small_nets.data.table_settings import FILLED_IN, complete

SILENT = ("name", "description", *SWEEP_ONLY)


def differences(
    settings: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> dict[str, Any]:
    """Key -> value, of the keys that differ from their choices' defaults.

    A group is listed if its choice is not that of the root config. What a choice of data brings
    with it (a table: network, optimizer and early stopping) is a default, not a change.
    """
    found: dict[str, Any] = {}
    root = conf_files.root(folders) | defaults_lists.root_values_with(choices["data"], folders)
    default = root | casts(root)
    found |= {k: settings[k] for k in root if settings[k] != default[k] and k not in SILENT}
    usual = defaults_lists.default_choices(None, folders) | defaults_lists.choices_with(
        choices["data"], folders
    )
    for group in [group for group in GROUPS if group not in SILENT]:
        choice = str(choices[group])
        if choice != usual.get(group):
            found[group] = choice
        found |= _changed(group, settings[group], conf_files.section(group, choice, folders))
    if found.get("data.split_seed") == settings["seed"]:
        del found["data.split_seed"]  # its default is ${seed}
    filled = _filled_in(settings)
    return {key: value for key, value in found.items() if filled.get(key, ...) != value}


# Keys that are null in a table's defaults, and decided when the table is read.
OPEN = (*FILLED_IN, "separator", "input_name", "target_name", "normalize_target")


def _filled_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> value, of the keys that the program itself fills in for a table."""
    if not is_table(settings["data"]):
        return {}
    open_ones = {key: None for key in OPEN if key in settings["data"]}
    try:
        # data.inputs has names by now, so there is nothing to drop.
        data = complete({**settings, "data": settings["data"] | open_ones | {"drop": []}})["data"]
    except InputError:
        return {}  # the file was changed just now, so these keys are listed
    return {f"data.{key}": data[key] for key in open_ones}


def _changed(path: str, now: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in now.items():
        where = f"{path}.{key}"
        if isinstance(value, Mapping) and isinstance(default.get(key), Mapping):
            found |= _changed(where, value, default[key])
        elif value != default.get(key) and key != "_target_":
            found[where] = value
    return found
