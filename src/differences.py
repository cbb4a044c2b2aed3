"""What a run's settings change against the defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src import conf_files
from src.check import GROUPS
from src.conf_files import CONF

SILENT = ("name", "description", "sweep", "search")


def differences(
    settings: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> dict[str, Any]:
    """Key -> value of every setting that differs from its choice's own default.

    A group's choice is listed where it is not the root config's.
    """
    found: dict[str, Any] = {}
    root = conf_files.root(folders)
    found |= {k: settings[k] for k in root if settings[k] != root[k] and k not in SILENT}
    usual = conf_files.default_choices(None, folders)
    for group in GROUPS:
        choice = str(choices[group])
        if choice != usual.get(group):
            found[group] = choice
        found |= _changed(group, settings[group], conf_files.section(group, choice, folders))
    if found.get("data.split_seed") == settings["seed"]:
        del found["data.split_seed"]  # ${seed}, which is its default
    return found


def _changed(path: str, now: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in now.items():
        where = f"{path}.{key}"
        if isinstance(value, Mapping):
            found |= _changed(where, value, default.get(key) or {})
        elif value != default.get(key) and key != "_target_":
            found[where] = value
    return found
