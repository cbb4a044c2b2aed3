"""What an experiment sets of a choice that was then replaced: it goes with that choice.

`+experiment=sine model=layers`: the experiment's `model.width` is a setting of `model=mlp`. Hydra
merges it all the same, below a choice that has no such key.
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
    """Remove them from the composed config, in place. Returns a line for each.

    typed: the overrides; a key among them stays, for the check to refuse.
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
                why = "takes none such"
            elif path in gone:
                _delete(task, (group, *path))
                why = "has no such setting"
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
    """The paths below a group that the experiment sets, its choice has, and the present has not."""
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
    """Whether the experiment's value of a key that both choices have means the former one alone.

    had, own: what the files of both state. A neuron's fixed bias is a number, a network's a flag.
    A `_target_` is what a choice is.
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
