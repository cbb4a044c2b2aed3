"""Removes keys that an experiment sets for a choice that the command line replaces.

In `+experiment=sine model=layers` the experiment's `model.width` is a key of `model=mlp`. Hydra
merges it into `model=layers`, which has no such key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from small_nets.config import conf_files, defaults_lists
from small_nets.config.conf_files import NOTHING, at, leaves
from small_nets.config.errors import InputError
from small_nets.config.overrides import key_of
from small_nets.config.schema import check_value, show
from small_nets.config.sections import GROUPS, keys_of


def drop_replaced(
    task: DictConfig,
    choices: Mapping[str, str | None],
    typed: Sequence[str],
    folders: Sequence[Path],
) -> list[str]:
    """Remove the keys of replaced choices from a composed config, in place.

    typed: the overrides. A key that was typed stays, and the check refuses it later. Returns a
    message for each removed key.
    """
    name = choices.get("experiment")
    if not isinstance(name, str):
        return []
    file = defaults_lists.experiment(name, folders)
    usual = defaults_lists.default_choices(name, folders)
    keys = [key for override in typed if (key := key_of(override)) not in GROUPS]
    lines = []
    for group in GROUPS:
        before, now = usual.get(group), choices.get(group)
        if before == now or not (before and now and isinstance(file.get(group), dict)):
            continue
        had, own = (conf_files.section(group, str(c), folders) for c in (before, now))
        gone = set(_gone(group, had, own, file[group], task))
        for path in leaves(file[group]):
            where, value = ".".join((group, *path)), at(file[group], path)
            if _is_typed(where, keys):
                continue
            if _is_foreign(where, path, value, had, own):
                OmegaConf.update(task, where, at(own, path))
                why = "does not take this value"
            elif path in gone:
                _delete(task, (group, *path))
                why = "has no such key"
            else:
                continue
            lines.append(
                f"{where}={show(value)} of experiment={name} is left out: {group}={now} {why}"
            )
    return lines


def _gone(
    group: str, had: Mapping[str, Any], own: Mapping[str, Any], set_by: Mapping[str, Any],
    task: DictConfig,
) -> list[tuple[str, ...]]:  # fmt: skip
    """The paths below a group that the experiment sets and that only the replaced choice has.

    had, own: the sections of the replaced and of the new choice. set_by: the experiment's.
    """
    try:
        could, can = keys_of(group, had), keys_of(group, own)
    except InputError:
        return []  # a choice that the check refuses
    section = task.get(group)
    found: Any = OmegaConf.to_container(section) if isinstance(section, DictConfig) else None
    return [
        path
        for path in leaves(set_by)
        if _is_in(could, path) and not _is_in(can, path) and at(found, path) is not NOTHING
    ]


def _is_typed(where: str, keys: Sequence[str]) -> bool:
    return any(
        where == key or where.startswith(f"{key}.") or key.startswith(f"{where}.") for key in keys
    )


def _is_foreign(
    where: str, path: Sequence[str], value: Any, had: Mapping[str, Any], own: Mapping[str, Any]
) -> bool:
    """Whether the experiment's value of a key, which both choices have, fits only the replaced one.

    had, own: the sections of the replaced and of the new choice. For example, the bias of a fixed
    neuron is a number, and that of a network a boolean. A `_target_` fits only its own choice.
    """
    if at(own, path) is NOTHING:
        return False
    if path[-1] == "_target_":
        return value != at(own, path)
    targets = [at(section, (*path[:-1], "_target_")) for section in (had, own)]
    could, can = (_is_allowed(where, value, str(target)) for target in targets)
    return could and not can


def _is_allowed(where: str, value: Any, target: str) -> bool:
    try:
        check_value(where, value, target)
    except InputError:
        return False
    return True


def _is_in(tree: Mapping[str, Any], path: Sequence[str]) -> bool:
    first, *rest = path
    if first not in tree:
        return False
    return not rest or tree[first] is None or _is_in(tree[first], rest)


def _delete(task: DictConfig, path: Sequence[str]) -> None:
    with open_dict(task):
        del OmegaConf.select(task, ".".join(path[:-1]))[path[-1]]
