"""Reads the defaults lists of config files: what an experiment or a choice of `data` chooses."""

from collections.abc import Iterable, Mapping
from typing import Any

from small_nets.config.conf_files import CONF, ROOT, Folders, file_of, load, parts, root_files


def experiment(
    name: str, folders: Folders = (CONF,), above: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The keys that an experiment sets, including those of the experiments it starts from.

    `defaults` in the result has all that these choose; a later entry wins. above: see
    `conf_files.section`.
    """
    path = file_of("experiment", name, folders)
    if path is None or name in above:
        return {}
    content = dict(load(path))
    defaults = content.pop("defaults", None) or []
    merged: dict[str, Any] = {}
    chosen: list[Any] = []
    for group, other in parts("experiment", defaults):
        if group == "experiment":
            found = experiment(other, folders, (*above, name))
            chosen += found.pop("defaults", [])
            merged = _over(merged, found)
    chosen += [entry for entry in defaults if isinstance(entry, dict)]
    return _over(merged, content) | {"defaults": chosen}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings. Where both have a value, `above` wins."""
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _over(found[key], value) if both else value
    return found


def default_choices(name: str | None, folders: Folders = (CONF,)) -> dict[str, str]:
    """Group -> choice by the root config and an experiment, before the command line changes it."""
    entries = [*load(CONF / f"{ROOT}.yaml")["defaults"]]
    entries += load(root_files(folders)[0]).get("defaults") or []
    if name is not None:
        entries += experiment(name, folders).get("defaults", [])
    return _chosen(entries)


def choices_with(data: str | None, folders: Folders = (CONF,)) -> dict[str, str]:
    """Group -> choice, of the groups that a choice of `data` overrides.

    The file of `data=table`, for example, chooses the network and the optimizer, and sets early
    stopping. The user did not choose these.
    """
    return _chosen(_entries(data, folders))


def root_values_with(data: str | None, folders: Folders = (CONF,)) -> dict[str, Any]:
    """Key -> value, of the root's keys that a choice of `data` sets."""
    found: dict[str, Any] = {}
    for entry in _entries(data, folders):
        if isinstance(entry, str) and entry.startswith("/"):
            path = file_of("", entry[1:], folders)
            found |= {} if path is None else load(path)
    return found


def _entries(data: str | None, folders: Folders, above: tuple[str, ...] = ()) -> list[Any]:
    """The defaults list of a choice of `data`, where choices that it starts from are expanded."""
    path = None if data is None or data in above else file_of("data", data, folders)
    found: list[Any] = []
    for entry in [] if path is None else load(path).get("defaults") or []:
        is_base = isinstance(entry, str) and entry != "_self_" and entry[0] != "/"
        found += _entries(entry, folders, (*above, str(data))) if is_base else [entry]
    return found


def _chosen(entries: Iterable[Any]) -> dict[str, str]:
    """Group -> choice, of the entries of a defaults list. A later entry wins."""
    return {
        key.removeprefix("override ").lstrip("/").partition("@")[0]: choice
        for entry in entries
        if isinstance(entry, dict)
        for key, choice in entry.items()
    }
