"""Checks a section of the config: whether its component takes these keys and values."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from small_nets.config import conf_files, defaults_lists
from small_nets.config.component_facts import NEEDED, Component
from small_nets.config.components import COMPONENTS, SOURCES
from small_nets.config.conf_files import CONF
from small_nets.config.errors import InputError, nearest
from small_nets.config.schema import check_value, show

GROUPS = ("data", "model", "loss", "optimizer", "scheduler", "trainer", "logger", "executor")
ADDED = ("experiment", "sweep")  # groups without a default choice, added by a plus sign
ALL_GROUPS = (*GROUPS, *ADDED)
# Group -> the choice that states its keys, for groups without a component. (data has one in its
# section `source`.)
STATED = {"data": "base", "trainer": "cpu", "logger": "none"}
Tree = Mapping[str, Any]  # key -> its keys, or None where it is a value


def keys_of(group: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a group's section may have, by its `_target_` (an executor: by its kind).

    A key that is a section maps to its own keys, any other to None. Raises InputError for a
    `_target_` that is not allowed.
    """
    if group == "executor":
        return dict.fromkeys(_executors().get(str(section.get("kind")), ["kind"]))
    if group not in STATED:
        return dict.fromkeys(["_target_", *_takes(group, section)])
    found: dict[str, Any] = dict.fromkeys(conf_files.section(group, STATED[group]))
    if group == "data":
        source = section.get("source")
        takes = _takes("data.source", source if isinstance(source, dict) else {})
        name = source["_target_"] if isinstance(source, dict) else ""
        if name in SOURCES and SOURCES[name].beside:
            found |= dict.fromkeys(conf_files.section("data", name))
        found["source"] = dict.fromkeys(["_target_", *takes])
    return found


def _executors() -> dict[str, list[str]]:
    """Kind of executor -> its keys."""
    found = [conf_files.section("executor", name) for name in conf_files.choices("executor")]
    return {section["kind"]: list(section) for section in found}


def component_of(where: str, section: Mapping[str, Any]) -> Component:
    """The component that a section's `_target_` names. where: "model", "data.source", …

    A `_target_` is a key of the table of components, never a name to import. So a config from a
    stranger cannot make this program run other code. Raises InputError for an unknown name.
    """
    target, allowed = section.get("_target_"), COMPONENTS[where]
    if isinstance(target, str) and target in allowed:
        return allowed[target]
    what = (
        f"{where} has no _target_, which says what it is"
        if target is None
        else f"{where}._target_={show(target)} is not on the allow-list "
        "(src/small_nets/config/components.py); nothing was imported"
    )
    near = nearest(str(target), allowed) if target else ""
    raise InputError(f"{what}.\nAllowed: {', '.join(allowed)}{near}")


def _takes(where: str, section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Key -> default, of the component that a section names."""
    if where == "scheduler" and section.get("_target_") is None:
        return {}
    return component_of(where, section).takes


def needed_of(group: str, section: Mapping[str, Any]) -> set[str]:
    """The paths below a group that a section must have, because they have no default."""
    if group not in STATED and group != "executor":
        return {key for key, value in _takes(group, section).items() if value is NEEDED}
    needed = set(keys_of(group, section)) - {"source"}
    source = section.get("source")
    if group == "data" and isinstance(source, dict):
        takes = _takes("data.source", source)
        needed |= {f"source.{key}" for key, value in takes.items() if value is NEEDED}
    return needed


def check_section(
    group: str,
    section: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path],
) -> None:
    """Raises InputError for an unknown key, a missing key, and a value that is not allowed.

    The message names the file that states it.
    """
    choice = str(choices[group])
    refuse_hidden(group, choice, folders)
    try:
        known = keys_of(group, section)
    except InputError as error:
        where = _stated_in(group, ["_target_"], choices, folders)
        where = where or f"\n{group}={choice} is {conf_files.file_of(group, choice, folders)}"
        raise InputError(f"{error}{where}") from error
    stated = conf_files.section(group, choice, folders)
    _walk(group, section, known, stated, choices, folders)
    for path in sorted(needed_of(group, section)):
        if not conf_files.has(section, path.split(".")):
            file = conf_files.file_of(group, choice, folders)
            raise InputError(f"{group}.{path} is missing: {file} does not state it, but every run "
                             f"needs it.\nFix: a line for {path} in that file")  # fmt: skip


def _walk(
    path: str, found: Mapping[str, Any], known: Tree, stated: Any,
    choices: Mapping[str, str | None], folders: Sequence[Path],
) -> None:  # fmt: skip
    group = path.partition(".")[0]
    for key, value in found.items():
        where = f"{path}.{key}"
        if key not in known:
            choice = str(choices[group])
            raise unknown_key(where, group, choice, known, stated, choices, folders)
        if known[key] is None:
            if key != "_target_":
                try:
                    check_value(where, value, str(found.get("_target_", "")))
                except InputError as error:
                    is_typed = not (isinstance(stated, dict) and stated.get(key) == value)
                    file = "" if is_typed else _stated_in(
                        group, where.split(".")[1:], choices, folders
                    )  # fmt: skip
                    raise InputError(f"{error}{file}") from error
        elif not isinstance(value, dict):
            names = [name for name in known[key] if name != "_target_"]
            raise replaced(where, value, names or ["_target_"])
        else:
            below = stated.get(key) if isinstance(stated, dict) else None
            _walk(where, value, known[key], below, choices, folders)
    for key in stated if isinstance(stated, dict) else ():
        if key not in found and key in known:
            raise removed(f"{path}.{key}")


def removed(path: str) -> InputError:
    """The error for a key or a group that is missing."""
    return InputError(f"{path} was removed, but every run needs it.\nFix: without ~{path}")


def replaced(path: str, value: Any, keys: Iterable[str]) -> InputError:
    """The error for a value in the place of a section."""
    return InputError(f"{path}={show(value)} replaces a section with the keys {', '.join(keys)}")


def no_choice(group: str, value: object, folders: Sequence[Path]) -> InputError:
    """The error for a group without a choice."""
    names = conf_files.choices(group, folders)
    return InputError(
        f"{group}={show(value)}: choose one of {', '.join(names)}.\nFix: {group}={names[0]}"
    )


def unknown_key(
    path: str,
    group: str,
    choice: str,
    known: Tree,
    stated: Any = None,
    choices: Mapping[str, str | None] | None = None,
    folders: Sequence[Path] = (CONF,),
) -> InputError:
    """The error for a key that a section does not have.

    choice: the group's choice, or a|b where several lack the key. known: the keys that exist.
    stated: those that the choice's file states. choices: group -> choice, to find the file that
    sets the key; None for a key that was typed.
    """
    names = [key for key in known if key != "_target_"]
    listed = [key for key in names if key in stated] if isinstance(stated, dict) else names
    more = [key for key in names if key not in listed]
    word = path.rpartition(".")[2]
    if names:
        text = f"{path} does not exist for {group}={choice}."
        text += f"\nThe keys of {group} are: {', '.join(sorted(listed))}" if listed else ""
        text += f"\nWith a plus sign in front, also: {', '.join(sorted(more))}" if more else ""
        text += nearest(word, [*listed, *more])
    else:
        text = f"{path} does not exist: {group}={choice} has no keys."
    where = path.removeprefix(f"{group}.")
    others = [name for name in conf_files.choices_stating(group, where.split("."), folders)
              if name not in choice.split("|")]  # fmt: skip
    if others:
        text += f"\n{where} is a key of {group}={'|'.join(others)}"
    if choices is not None:
        text += _stated_in(group, where.split("."), choices, folders)
    return InputError(text)


def _stated_in(
    group: str, words: Sequence[str], choices: Mapping[str, str | None], folders: Sequence[Path]
) -> str:
    """A line that names the file that states a key below a group; "" for a key that was typed."""
    chosen = choices.get("experiment")
    experiment = defaults_lists.experiment(str(chosen), folders) if chosen else {}
    usual = defaults_lists.default_choices(chosen, folders).get(group)
    file = None
    # If a group's choice is not the experiment's, the experiment's keys below it count only where
    # they were typed, too.
    if conf_files.has(experiment.get(group, {}), words) and usual == choices[group]:
        file = conf_files.file_of("experiment", str(chosen), folders)
    elif conf_files.has(conf_files.section(group, str(choices[group]), folders), words):
        file = conf_files.stating(group, str(choices[group]), words, folders)
    return _stands_in(file)


def stated_at_root(
    words: Sequence[str], choices: Mapping[str, str | None], folders: Sequence[Path]
) -> str:
    """A line that names the file that states a key of the root; "" for a key that was typed."""
    chosen = choices.get("experiment")
    if chosen and conf_files.has(defaults_lists.experiment(str(chosen), folders), words):
        file = conf_files.file_of("experiment", str(chosen), folders)
    else:
        file = conf_files.stating_at_root(words, choices, folders)
    return _stands_in(file)


def _stands_in(file: Path | None) -> str:
    """A line that names a file of the user's own; "" for one of this program's files."""
    return "" if file is None or CONF in file.parents else f"\nIt stands in {file}"


def refuse_hidden(group: str, choice: str, folders: Sequence[Path]) -> None:
    """Raises InputError where a choice has two files: Hydra reads only the first."""
    first, *others = conf_files.files_of(group, choice, folders) or [None]
    if others:
        raise InputError(f"{group}={choice} has two files: {first} is read, {others[0]} is not.\n"
                         f"Fix: another name for yours, such as {choice}_mine")  # fmt: skip
