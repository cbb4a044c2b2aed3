"""Finds which keys exist for which choices: `optimizer.momentum` only for momentum.

It composes the config once for each combination of choices on which a key can depend.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from small_nets.config.conf_files import CONF, has
from small_nets.config.errors import InputError
from small_nets.config.schema import check_value
from small_nets.config.sections import GROUPS, unknown_key
from small_nets.search.space import Parameter, Space
from small_nets.sweep.jobs.family import target_at

# Overrides -> the composed config as plain containers. Raises InputError.
Compose = Callable[[Sequence[str]], Mapping[str, Any]]


class ConditionalSpace:
    """A search space, with the keys that a trial has for its choices of groups.

    compose: overrides -> composed config. folders: the config folders. Raises InputError for a
    choice that does not exist, a key that no choice has, and a value that is not allowed.
    """

    def __init__(self, space: Space, compose: Compose, folders: Sequence[Path] = (CONF,)) -> None:
        self._space = space
        self._compose = compose
        self._folders = folders
        self._composed: dict[tuple[str, ...], Mapping[str, Any]] = {}
        self.parameters, self.groups = space.parameters, space.groups
        for group in space.groups:  # raises InputError for a choice that does not exist
            for choice in group.choices:
                self._config({group.name: choice})
        self._there = {key: self._where(key) for key in space.settings}

    def has(self, key: str, chosen: Mapping[str, str]) -> bool:
        """Whether a trial has a key. chosen: name of a searched group -> its choice."""
        there = self._there.get(key)
        return there is None or there[tuple(chosen[g.name] for g in self._decide(key))]

    def beside(self, chosen: Mapping[str, str]) -> list[Parameter]:
        """The parameters that a trial has besides its choices of groups."""
        return [p for p in self.parameters if not p.is_group and self.has(p.key, chosen)]

    def branches(self) -> Iterator[tuple[dict[str, str], list[Parameter]]]:
        """Yield each combination of choices, with the other parameters that it has."""
        names = [group.name for group in self.groups]
        for choices in itertools.product(*(g.choices for g in self.groups)):
            chosen = dict(zip(names, choices, strict=True))
            yield chosen, self.beside(chosen)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial with these parameters, without its seed.

        Fixed keys are left out, too, if the trial's choices do not have them.
        """
        chosen = {p.name: params[p.name] for p in self.groups}
        fixed = [o for key, o in self._space.fixed.items() if self.has(key, chosen)]
        return fixed + [f"{p.key}={p.typed(params[p.name])}" for p in self.parameters
                        if p.name in params]  # fmt: skip

    @property
    def conditional(self) -> tuple[str, ...]:
        """The names of the parameters that only some trials have."""
        return tuple(
            p.name for p in self.parameters if not all(self._there.get(p.key, {}).values())
        )

    def _decide(self, key: str) -> list[Parameter]:
        """The groups on whose choices it depends whether a key exists.

        They are the key's own group, and groups such as experiment, which may change everything.
        """
        first = key.partition(".")[0]
        return [g for g in self.groups if g.name == first or g.name not in GROUPS]

    def _where(self, key: str) -> dict[tuple[str, ...], bool]:
        """Choices of the groups that decide -> whether the key exists."""
        groups, path = self._decide(key), tuple(key.split("."))
        found: dict[tuple[str, ...], bool] = {}
        known: dict[str, Any] = {}
        for choices in itertools.product(*(g.choices for g in groups)):
            config = self._config(dict(zip((g.name for g in groups), choices, strict=True)))
            found[choices] = has(config, path)
            if found[choices]:
                self._check(key, path, config)
            if isinstance(section := config.get(path[0]), dict):
                known |= dict.fromkeys(section)
        if not any(found.values()):
            raise self._missing(key, [g for g in groups if g.name == path[0]], known)
        return found

    def _config(self, chosen: Mapping[str, str]) -> Mapping[str, Any]:
        """Compose with these choices. A group that is not named gets its first choice."""
        choices = tuple(chosen.get(g.name, g.choices[0]) for g in self.groups)
        if choices not in self._composed:
            space = self._space
            others = [o for key, o in space.fixed.items() if key not in space.settings]
            groups = [f"{g.key}={c}" for g, c in zip(self.groups, choices, strict=True)]
            self._composed[choices] = self._compose([*others, *groups])
        return self._composed[choices]

    def _check(self, key: str, path: tuple[str, ...], config: Mapping[str, Any]) -> None:
        (searched,) = [p for p in self.parameters if p.key == key] or [None]
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

    def _missing(self, key: str, own: Sequence[Parameter], known: dict[str, Any]) -> InputError:
        if own:
            choices = "|".join(own[0].choices)
            return unknown_key(key, own[0].name, choices, known, None, None, self._folders)
        searched = [p.ends[0] for p in self.parameters if p.key == key]
        override = f"{key}={searched[0]}" if searched else self._space.fixed[key]
        try:
            self._compose([*self._space.fixed.values(), override])
        except InputError as error:
            return error
        return InputError(f"{key} does not exist.")


def _hint(parameter: Parameter, value: Any, target: str) -> str:
    """A fix for an interval of floats where only whole numbers are allowed; else ""."""
    if parameter.kind != "float":
        return ""
    try:
        check_value(parameter.key, int(value), target)
    except InputError:
        return ""
    return f"\nFix: {parameter.key}=int(interval({parameter.low:g},{parameter.high:g}))"
