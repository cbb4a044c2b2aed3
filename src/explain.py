"""Hydra's refusals of an override, said in the terms of this program's settings."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from src import conf_files
from src.check import GROUPS, unknown_in, unknown_key, unknown_root
from src.conf_files import CONF
from src.errors import InputError, unknown
from src.values import RULES

ADDED = ("experiment", "sweep")  # groups that the root config has no choice of


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        try:
            return [str(v) for v in override.sweep_string_iterator()]
        except HydraException:
            return []
    value = override.value()
    return ["null" if value is None else str(value)]


@contextmanager
def explained(overrides: Sequence[str]) -> Iterator[None]:
    """Around what composes these overrides: what Hydra refuses of them becomes an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # Hydra raises plain ValueErrors too; what no override explains is a fault of ours.
        message = explain(error, overrides)
        if message is None:
            raise
        raise InputError(message) from error


def explain(
    error: Exception, overrides: Sequence[str], folders: Sequence[Path] = (CONF,)
) -> str | None:
    """The message for an exception that Hydra raised while composing these overrides.

    None where it is no refusal of Hydra's, and none of the overrides is to blame.
    """
    if str(error).startswith("Ambiguous value"):
        return (
            f"{str(error).splitlines()[0]}: several values are a sweep.\n{_one_or_many(overrides)}"
        )
    if "requires --multirun" in str(error):
        swept = [o for o in overrides if re.search(r"=.*\b(range|choice|glob|interval)\(", o)]
        which = ", ".join(swept) or "an override"
        return f"{which}: several values are a sweep.\nFix: -m in front of the overrides"
    try:
        _check_grammar(overrides)
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        _check_choices(parsed, folders)
        _check_keys(parsed, folders)
    except InputError as found:
        return str(found)
    except HydraException as found:
        return _plain(found)
    ours_to_say = isinstance(error, HydraException | OmegaConfBaseException)
    return _plain(error) if ours_to_say else None


def _one_or_many(overrides: Sequence[str]) -> str:
    listed = [o for o in overrides if o.startswith("data.inputs=") and "," in o and "[" not in o]
    if listed:
        key, _, value = listed[0].partition("=")
        return f"Fix: several columns are a list, in quotes: '{key}=[{value}]'"
    return "Fix: -m in front of the overrides, or one value (with a decimal point: 0.05)"


def _plain(error: Exception) -> str:
    # Hydra's own sentence; the links to its manual and the search path are noise here.
    lines = [line for line in str(error).splitlines() if line.strip() and "https://" not in line]
    cause = error.__cause__
    if cause is not None and str(cause).splitlines():
        lines.append(str(cause).splitlines()[0])
    return "\n".join(lines) or type(error).__name__


def _check_grammar(overrides: Sequence[str]) -> None:
    for override in overrides:
        try:
            OverridesParser.create().parse_overrides([override])
        except HydraException as error:
            if override in conf_files.experiments():
                fix = f"+experiment={override}"
                raise InputError(f"{override!r} is no key=value.\nFix: {fix}") from error
            raise InputError(
                f"{override!r} cannot be read as key=value.\n"
                "Fix: no blanks around =, and quotes around brackets, braces and blanks: "
                "'model.width=[5,5]', 'early_stop={patience: 10}'"
            ) from error


def _check_choices(parsed: Sequence[Override], folders: Sequence[Path]) -> None:
    groups = conf_files.groups(folders)
    for override in parsed:
        group = override.key_or_group
        if group not in groups or override.is_delete():
            continue
        known = conf_files.choices(group, folders)
        for value in _values(override):
            if value in known:
                continue
            if group == "experiment":
                listed = conf_files.list_experiments(folders)
                message = f"{group}={value} does not exist.\nThe experiments are:\n{listed}"
                hint = str(unknown("", value, known, "")).rpartition("\n")[2]
                raise InputError(f"{message}\n{hint}" if hint.startswith("Did") else message)
            raise unknown(
                f"{group}={value} does not exist.", value, known, f"The choices of {group} are"
            )
        several = sum(o.key_or_group == group for o in parsed) > 1
        added = group in ADDED
        if override.is_add() and (not added or several):
            fix = f"one {group}" if several else f"{group}={override.value()}, without the plus"
            raise InputError(f"+{group}={override.value()} would be a second {group}.\nFix: {fix}")
        if added and not override.is_add():
            raise InputError(f"{group}={override.value()} needs a plus sign in front.\n"
                             f"Fix: +{group}={override.value()}")  # fmt: skip


def _no_section(path: str, key: str) -> InputError:
    example = f"\nFor example: {key}={RULES[key].example}" if key in RULES else ""
    return InputError(f"{path}: {key} is one setting.{example}")


def _check_keys(parsed: Sequence[Override], folders: Sequence[Path]) -> None:
    chosen = {
        o.key_or_group: str(o.value())
        for o in parsed
        if not (o.is_sweep_override() or o.is_delete())
    }
    current = conf_files.default_choices(chosen.get("experiment"), folders)
    current |= {group: choice for group, choice in chosen.items() if group in GROUPS}
    known_at_root = [*conf_files.root(folders), *GROUPS, "experiment"]
    for override in parsed:
        first, *rest = override.key_or_group.split(".")
        if first == "hydra" or override.key_or_group.startswith("hydra/"):
            continue
        if first not in known_at_root:
            raise unknown_root(override.key_or_group, known_at_root, current, folders)
        if not rest:
            continue
        section = conf_files.root(folders).get(first)
        if isinstance(section, dict):
            if rest[0] not in section:
                raise unknown_in(first, ".".join(rest), section)
            if rest[1:]:
                raise _no_section(override.key_or_group, f"{first}.{rest[0]}")
            continue
        if first not in GROUPS:
            raise _no_section(override.key_or_group, first)
        choice = str(current.get(first))
        wanted = conf_files.section(first, choice, folders)
        path = first
        for word in rest:
            path = f"{path}.{word}"
            if not isinstance(wanted, dict) or word not in wanted:
                names = [k for k in wanted if k != "_target_"] if isinstance(wanted, dict) else []
                raise unknown_key(path, first, choice, names, None, folders)
            wanted = wanted[word]
        if override.is_add():
            raise InputError(f"{path} exists already.\nFix: without the plus sign: "
                             f"{path}={override.value()}")  # fmt: skip
