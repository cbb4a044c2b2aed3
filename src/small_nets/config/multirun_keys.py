"""Fixed keys beside a swept choice: `-m optimizer=momentum,adam optimizer.momentum=0.5`.

Hydra composes the first config of a multirun without the swept choices. It would look for the key
in a choice that nobody asked for (facebookresearch/hydra#283, #2888). So a fixed key of a swept
choice is given to Hydra as a sweep of one value, which it leaves to the jobs.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep

from small_nets.config import conf_files
from small_nets.config.conf_files import CONF
from small_nets.config.errors import InputError
from small_nets.config.override_values import read
from small_nets.config.overrides import key_of
from small_nets.config.sections import ADDED, ALL_GROUPS, GROUPS
from small_nets.system.shell_words import quote

ONE = "=choice("


def for_multirun(words: Sequence[str], folders: Sequence[Path] = (CONF,)) -> list[str]:
    """The overrides of a multirun, where fixed keys of swept choices are sweeps of one value.

    folders: the config folders. The presets of sweeps in them may sweep choices, too.
    """
    swept = _swept(words, folders)
    if not swept:
        return list(words)
    return [_beside(word) if _is_below(word, swept) else word for word in words]


def as_typed(word: str) -> str:
    """Undo `for_multirun` for one override: choice(x) of one value is x."""
    key, found, value = word.partition(ONE)
    if not (found and value.endswith(")") and "." in key):
        return word
    plain = f"{key}={value[:-1]}"
    return plain if _beside(plain) == word else word


def refuse_mixtures(words: Sequence[str], multirun: bool) -> None:
    """Raises InputError for a list of choices, also within a sweep.

    Hydra would merge the choices of a list.
    """
    for word in words:
        group = key_of(word).partition("@")[0]
        if group not in ALL_GROUPS or "[" not in word:
            continue
        values = _values(word)
        if any(isinstance(value, list) for value in values):
            sign = "+" if group in ADDED else ""
            lists = [value if isinstance(value, list) else [value] for value in values]
            names = list(dict.fromkeys(map(str, chain(*lists)))) or ["NAME"]
            each = quote(f"{sign}{group}={','.join(names)}")
            each = f"{'' if multirun else '-m '}{each} for a run of each, or one of them: "
            raise InputError(
                f"{word} would merge these choices, and the last one would win.\n"
                f"Fix: {'' if group == 'sweep' else each}{sign}{group}={names[0]}"
            )


def _values(word: str) -> list[Any]:
    """The values of an override; [None] for one that cannot be read."""
    override = read(word)
    found = None if override is None else override.value()
    return found.list if isinstance(found, ChoiceSweep) else [found]


def _swept(words: Sequence[str], folders: Sequence[Path]) -> set[str]:
    """The groups whose choices are swept."""
    swept = {group for word in words
             if (group := key_of(word)) in ALL_GROUPS and _is_sweep(word)}  # fmt: skip
    for word in words:
        key, value = key_of(word), word.partition("=")[2]
        if key == "sweep":
            for name in value.split(","):
                swept |= {k for k in _params(name, folders) if k in ALL_GROUPS}
        parts = key.split(".", 3)
        if parts[:3] == ["hydra", "sweeper", "params"] and len(parts) > 3:
            swept |= {parts[3]} & {*ALL_GROUPS}
    fixed = {key_of(word) for word in words} - {"sweep"}
    return {group for group in swept if group not in fixed or any(
        key_of(word) == group and _is_sweep(word) for word in words)}  # fmt: skip


def _params(preset: str, folders: Sequence[Path]) -> Mapping[str, object]:
    found = conf_files.section("sweep", preset, folders)
    for word in ("hydra", "sweeper", "params"):
        found = found.get(word) or {}
    return {str(key).lstrip("+"): value for key, value in found.items()}


def _is_sweep(word: str) -> bool:
    override = read(word)
    return override is not None and override.is_sweep_override()


def _is_below(word: str, swept: set[str]) -> bool:
    group, dot, _ = word.partition("=")[0].partition(".")
    return bool(dot) and group in GROUPS and bool(swept & {group, *ADDED})


def _beside(word: str) -> str:
    """A fixed value as a sweep of one value. An override that is a sweep already stays as it is."""
    key, _, value = word.partition("=")
    value = value.strip() or '""'
    made = f"{key}{ONE}{value})"
    fixed, several = read(word), read(made)
    if fixed is None or several is None or fixed.is_sweep_override():
        return word
    texts = list(several.sweep_string_iterator()) if several.is_discrete_sweep() else []
    again = [read(f"{key}={text}") for text in texts]
    return made if [o.value() for o in again if o] == [fixed.value()] else word
