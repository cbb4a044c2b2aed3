"""Which settings there are under which choices: `optimizer.momentum` for momentum alone.

Found by composing, once for each combination of the choices that a setting can depend on.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from src.check import GROUPS, unknown_key
from src.conf_files import CONF
from src.errors import InputError
from src.search.space import Parameter, Space
from src.sweep.family import get, target_at
from src.values import check_value

# Overrides -> the composed config as plain containers. Raises InputError.
Compose = Callable[[Sequence[str]], Mapping[str, Any]]


class Present:
    """Says of a setting whether a trial with these choices has it.

    Raises InputError for a choice that does not exist, a setting that no choice has, and a value
    that is not allowed where the setting is there.
    """

    def __init__(self, space: Space, compose: Compose, folders: Sequence[Path] = (CONF,)) -> None:
        self._space = space
        self._compose = compose
        self._folders = folders
        self._composed: dict[tuple[str, ...], Mapping[str, Any]] = {}
        for group in space.groups:  # a choice that does not exist is an error here
            for choice in group.choices:
                self._config({group.name: choice})
        self._there = {key: self._where(key) for key in space.settings}

    def has(self, key: str, chosen: Mapping[str, str]) -> bool:
        """chosen: name of a searched group -> its choice."""
        there = self._there.get(key)
        return there is None or there[tuple(chosen[g.name] for g in self._decide(key))]

    @property
    def conditional(self) -> tuple[str, ...]:
        """The names of the parameters that only some trials have."""
        return tuple(p.name for p in self._space.parameters
                     if not all(self._there.get(p.key, {}).values()))  # fmt: skip

    def _decide(self, key: str) -> list[Parameter]:
        """The groups on whose choice it depends whether a setting is there.

        Its own; and those that are no section, such as experiment, which may change everything.
        """
        first = key.partition(".")[0]
        return [g for g in self._space.groups if g.name == first or g.name not in GROUPS]

    def _where(self, key: str) -> dict[tuple[str, ...], bool]:
        """Whether a setting is there, by the choices of the groups that decide on it."""
        groups, path = self._decide(key), tuple(key.split("."))
        found: dict[tuple[str, ...], bool] = {}
        sections: set[str] = set()
        for choices in itertools.product(*(g.choices for g in groups)):
            chosen = dict(zip((g.name for g in groups), choices, strict=True))
            config = self._config(chosen)
            found[choices] = _is_in(config, path)
            if found[choices]:
                self._check(key, path, config)
            section = config.get(path[0])
            sections |= (
                {k for k in section if k != "_target_"} if isinstance(section, dict) else set()
            )
        if not any(found.values()):
            raise self._missing(key, [g for g in groups if g.name == path[0]], sections)
        return found

    def _config(self, chosen: Mapping[str, str]) -> Mapping[str, Any]:
        """Composed with these choices; of the groups that are not named, with the first."""
        space = self._space
        choices = tuple(chosen.get(g.name, g.choices[0]) for g in space.groups)
        if choices not in self._composed:
            others = [o for key, o in space.fixed.items() if key not in space.settings]
            groups = [f"{g.key}={c}" for g, c in zip(space.groups, choices, strict=True)]
            self._composed[choices] = self._compose([*others, *groups])
        return self._composed[choices]

    def _check(self, key: str, path: tuple[str, ...], config: Mapping[str, Any]) -> None:
        (searched,) = [p for p in self._space.parameters if p.key == key] or [None]
        typed = [f"{key}={t}" for t in searched.ends] if searched else [self._space.fixed[key]]
        target = target_at(config, path)
        for override in OverridesParser.create().parse_overrides(typed):
            value: Any = override.value()
            if isinstance(value, str) and "${" in value:
                continue
            try:
                check_value(key, value, target)
            except InputError as error:
                hint = _hint(searched, value, target) if searched else ""
                raise InputError(f"{error}{hint}") from error

    def _missing(self, key: str, own: Sequence[Parameter], known: set[str]) -> InputError:
        if own:
            choices = "|".join(own[0].choices)
            return unknown_key(key, own[0].name, choices, sorted(known), None, self._folders)
        searched = [p.ends[0] for p in self._space.parameters if p.key == key]
        override = f"{key}={searched[0]}" if searched else self._space.fixed[key]
        try:
            self._compose([*self._space.fixed.values(), override])
        except InputError as error:
            return error
        return InputError(f"{key} does not exist.")


def _is_in(config: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    try:
        get(config, path)
    except (KeyError, TypeError):  # not there; or below what is no section
        return False
    return True


def _hint(parameter: Parameter, value: Any, target: str) -> str:
    """A line for an interval of any numbers where whole ones are allowed."""
    if parameter.kind != "float" or value != int(value):
        return ""
    try:
        check_value(parameter.key, int(value), target)
    except InputError:
        return ""
    return f"\nFix: {parameter.key}=int(interval({parameter.low:g},{parameter.high:g}))"
