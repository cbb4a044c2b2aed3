"""Explains why Hydra refuses an override, in terms of this program's keys and choices."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from small_nets.config import conf_files, defaults_lists
from small_nets.config.check import unknown_in, unknown_root
from small_nets.config.conf_files import CONF
from small_nets.config.error_origin import READ, is_of_input
from small_nets.config.errors import InputError, nearest, unknown
from small_nets.config.grammar_quoting import in_quotes
from small_nets.config.override_repair import DECIMAL_COMMA, is_allowed
from small_nets.config.overrides import refuse_endless
from small_nets.config.resolve import unresolved
from small_nets.config.schema import FIELDS
from small_nets.config.sections import ADDED, GROUPS, keys_of, removed, unknown_key
from small_nets.config.syntax_errors import refuse_unreadable
from small_nets.system.shell_words import join, quote


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        try:
            return [str(v) for v in override.sweep_string_iterator()]
        except (HydraException, ValueError):  # a glob has no folder here; a range a step of 0
            return []
    value = override.value()
    return ["null" if value is None else str(value)]


@contextmanager
def explained(overrides: Sequence[str]) -> Iterator[None]:
    """Within the block, Hydra's errors about these overrides become InputError."""
    refuse_endless(overrides)
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # Hydra raises plain ValueErrors, too. Any other error is a fault of this program.
        message = explain(error, overrides)
        if message is None:
            raise
        raise InputError(message) from error


def explain(
    error: Exception, overrides: Sequence[str], folders: Sequence[Path] = (CONF,)
) -> str | None:
    """The message for an exception that Hydra raised while composing these overrides.

    None where the exception is a fault of this program.
    """
    if not is_of_input(error):
        return None
    try:
        refuse_unreadable(overrides)
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        folders = [*folders, *_searched(parsed)]
        if str(error).startswith("Ambiguous value"):
            return (
                f"{str(error).splitlines()[0]}: several values are a sweep.\n{_one_or_many(parsed)}"
            )
        if "requires --multirun" in str(error):
            swept = [o for o in parsed if o.is_sweep_override()]
            which = ", ".join(str(o.input_line) for o in swept) or "an override"
            return f"{which}: several values are a sweep.\nFix: -m in front of the overrides"
        _check_choices(parsed, folders)
        _check_keys(parsed, folders)
    except InputError as found:
        return str(found)
    except HydraException as found:
        return _plain(found)
    return _plain(error) + _of_hydra(parsed, error)


def _searched(parsed: Sequence[Override]) -> list[Path]:
    """The folders that hydra.searchpath=[…] adds."""
    found = [o.value() for o in parsed if o.key_or_group == "hydra.searchpath"]
    places = [str(p).removeprefix("file://") for v in found if isinstance(v, list) for p in v]
    return [Path(place) for place in places if Path(place).is_dir()]


def _one_or_many(parsed: Sequence[Override]) -> str:
    """The fix for several values, separated by commas, where one was expected."""
    for override in parsed:
        if not override.is_sweep_override():
            continue
        key, _, value = str(override.input_line).partition("=")
        listed = "several columns are a list" if key == "data.inputs" else "a list"
        for form, why in (
            (f"{key}=[{value}]", f"{listed}, in quotes: "),
            (f"{key}={value.replace(',', '.')}", "with a decimal point: "),
            (f"{key}={in_quotes(value)}", "a text, in quotes: "),
        ):
            if "point" in why and not DECIMAL_COMMA.fullmatch(value):
                continue
            if key in FIELDS and is_allowed(form):
                return f"Fix: {why}{quote(form)}; or -m in front of the overrides"
    return "Fix: -m in front of the overrides, or one value"


def _plain(error: Exception) -> str:
    if isinstance(error, READ):
        return unresolved(error)
    # Hydra's own sentence, without links to its manual and without the search path.
    said = str(error).partition("\nSearch path:")[0]
    lines = [line for line in said.splitlines() if line.strip() and "https://" not in line]
    cause = error.__cause__
    if cause is not None and str(cause).splitlines():
        lines.append(str(cause).splitlines()[0])
    text = "\n".join(lines)
    if isinstance(error, HydraException | OmegaConfBaseException) and text:
        return text
    return f"Hydra cannot take this: {type(error).__name__}{f': {text}' if text else ''}"


def _of_hydra(parsed: Sequence[Override], error: Exception) -> str:
    """A line that names overrides of Hydra's own keys, where nothing else explains the error."""
    ours = [o for o in parsed if _is_hydras(o)]
    named = [o for o in ours if re.split("[./]", o.key_or_group)[-1] in str(error)]
    if not named and not isinstance(error, HydraException | OmegaConfBaseException):
        named = ours
    return f"\nIt is about: {join(str(o.input_line) for o in named)}" if named else ""


def _is_hydras(override: Override) -> bool:
    return re.match(r"hydra($|[./])", override.key_or_group) is not None


def _check_choices(parsed: Sequence[Override], folders: Sequence[Path]) -> None:
    groups = conf_files.groups(folders)
    for override in parsed:
        group = override.key_or_group
        if group not in groups or override.is_delete():
            continue
        known = conf_files.choices(group, folders)
        for value in _values(override):
            if value in known:
                conf_files.section(group, value, folders)  # raises InputError for a broken file
                continue
            if group == "experiment":
                listed = conf_files.list_experiments(folders)
                raise InputError(f"{group}={value} does not exist.\nThe experiments are:\n{listed}"
                                 f"{nearest(value, sorted(known))}")  # fmt: skip
            raise unknown(
                f"{group}={value} does not exist.", value, known, f"The choices of {group} are"
            )
        several = sum(o.key_or_group == group for o in parsed) > 1
        added = group in ADDED
        value = str(override.input_line).partition("=")[2]
        if override.is_add() and (not added or several):
            fix = f"one {group}" if several else f"{group}={value}, without the plus"
            raise InputError(f"+{group}={value} would be a second {group}.\nFix: {fix}")
        if added and not override.is_add():
            raise InputError(f"{group}={value} needs a plus sign in front.\n"
                             f"Fix: {quote(f'+{group}={value}')}")  # fmt: skip


def _no_section(path: str, key: str) -> InputError:
    example = f"\nFor example: {key}={FIELDS[key].example}" if key in FIELDS else ""
    return InputError(f"{path}: {key} is a single value, not a section.{example}")


def _check_keys(parsed: Sequence[Override], folders: Sequence[Path]) -> None:
    swept = {o.key_or_group for o in parsed if o.is_sweep_override()}
    several = {o.key_or_group: _values(o) for o in parsed if o.key_or_group in swept & {*GROUPS}}
    chosen = {
        o.key_or_group: str(o.value())
        for o in parsed
        if not (o.is_sweep_override() or o.is_delete())
    }
    usual = defaults_lists.default_choices(None, folders)
    current = defaults_lists.default_choices(chosen.get("experiment"), folders)
    with_data = defaults_lists.choices_with(chosen.get("data", current.get("data")), folders)
    current |= {g: c for g, c in with_data.items() if current.get(g) == usual.get(g)}
    current |= {group: choice for group, choice in chosen.items() if group in GROUPS}
    sections = conf_files.root(folders)
    known_at_root = [*sections, *GROUPS, "experiment"]
    for override in parsed:
        first, *rest = override.key_or_group.split(".")
        if _is_hydras(override):
            continue
        if first not in known_at_root:
            raise unknown_root(override.key_or_group, known_at_root, current, folders)
        if override.is_delete() and not rest and first in known_at_root:
            raise removed(first)
        if not rest:
            continue
        section = sections.get(first)
        if isinstance(section, dict):
            if rest[0] not in section:
                raise unknown_in(first, ".".join(rest), section)
            if rest[1:]:
                raise _no_section(override.key_or_group, f"{first}.{rest[0]}")
        elif first not in GROUPS:
            raise _no_section(override.key_or_group, first)
        elif not swept & {*ADDED}:
            for choice in several.get(first, [current.get(first, "")]):
                _check_key(override, first, rest, current | {first: choice}, folders)


def _check_key(
    override: Override, group: str, rest: Sequence[str], current: dict[str, str],
    folders: Sequence[Path],
) -> None:  # fmt: skip
    """Raises InputError for a key that the group's choice does not take, or does not state."""
    choice = str(current.get(group))
    stated: Any = conf_files.section(group, choice, folders)
    taken: Any = keys_of(group, stated)
    path, is_stated = group, False
    for word in rest:
        path = f"{path}.{word}"
        if not isinstance(taken, dict) or word not in taken:
            known = taken if isinstance(taken, dict) else {}
            raise unknown_key(path, group, choice, known, stated, None, folders)
        taken = taken[word]
        is_stated = isinstance(stated, dict) and word in stated
        stated = stated[word] if is_stated else None
        if not is_stated and not (override.is_add() or override.is_force_add()):
            others = "|".join(conf_files.choices_stating(group, path.split(".")[1:], folders))
            another = f", or {group}={others}, which state it" if others else ""
            raise InputError(f"{path} is not stated by {group}={choice}.\n"
                             f"Fix: {quote(f'+{override.input_line}')}{another}")  # fmt: skip
    if is_stated and override.is_add():
        fix = str(override.input_line).removeprefix("+")
        raise InputError(f"{path} exists already.\nFix: without the plus sign: {quote(fix)}")
