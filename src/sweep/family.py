"""Jobs that differ in plain values: one composition, and the values put into it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.result import digest, pair_text

Reduce = Callable[[Mapping[str, Any]], dict[str, Any]]
REFERENCE = re.compile(r"\$\{([^${}]*)\}")
WHOLE = re.compile(r"^\$\{([A-Za-z_][\w.]*)\}$")


class Family:
    """One composed config, of which the values of some keys vary.

    task: the composed config without `hydra`. base: the same, resolved. keys: what varies.
    hydra: Hydra's own node, unresolved. error: why base is not allowed, as far as is known.
    """

    def __init__(
        self,
        task: DictConfig,
        base: dict[str, Any],
        choices: Mapping[str, str | None],
        keys: tuple[str, ...],
        hydra: Mapping[str, Any] | None = None,
    ) -> None:
        self.task = task
        self.base = base
        self.choices = choices
        self.keys = keys
        self.hydra = hydra or {}
        self.error: str | None = None
        self.raw: dict[str, Any] = OmegaConf.to_container(task, resolve=False)  # type: ignore
        self.paths = [tuple(key.split(".")) for key in keys]
        self.read = self._readers()
        self.texts: dict[Reduce, dict[str, str]] = {}

    def has_leaves(self) -> bool:
        """Whether every key that varies is a plain value of the config, not a section."""
        return all(_is_leaf(self.raw, path) for path in self.paths)

    @property
    def reads_hydra(self) -> bool:
        """Whether a setting is read from Hydra's own node, which differs from job to job."""
        return any("hydra" in text for text in _texts(self.raw).values())

    def settings(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The resolved config with these values; what they do not touch is shared."""
        return self._filled(self.base, values, resolved=True)

    def unresolved(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The config as Hydra writes it to .hydra/config.yaml, interpolations kept."""
        return self._filled(self.raw, values, resolved=False)

    def digest(self, settings: Mapping[str, Any], own: Collection[str], reduce: Reduce) -> str:
        """`digest(reduce(settings))`, of settings that differ from the family's in `own`, too.

        reduce: makes each key from the same key of the settings alone. What the members share is
        most of it, and is turned into text once.
        """
        if reduce not in self.texts:
            moving = {path[0] for path in (*self.paths, *self.read)}
            kept = reduce(self.base)
            self.texts[reduce] = {k: pair_text(k, v) for k, v in kept.items() if k not in moving}
        known = self.texts[reduce]
        if own:
            known = {key: text for key, text in known.items() if key not in own}
        return digest(reduce(settings), known)

    def _filled(
        self, base: dict[str, Any], values: tuple[Any, ...], resolved: bool
    ) -> dict[str, Any]:
        found = dict(base)
        copied: dict[tuple[str, ...], dict[str, Any]] = {(): found}
        for path, value in zip(self.paths, values, strict=True):
            _put(copied, path, value)
        if not resolved or not self.read:
            return found
        slow = [path for path, source in self.read.items() if source is None]
        if slow:
            for key, value in zip(self.keys, values, strict=True):
                OmegaConf.update(self.task, key, value, merge=False)
        for path, source in self.read.items():
            value = get(found, source) if source else OmegaConf.select(self.task, ".".join(path))
            value = value if source else _plain(value)
            _put(copied, path, value)
        return found

    def _readers(self) -> dict[tuple[str, ...], tuple[str, ...] | None]:
        """Interpolations that a varying value can reach: path -> what it copies, or None.

        None is for text that only OmegaConf can resolve. What names no varying key, directly
        or through another interpolation, keeps the value it has in base.
        """
        texts = {p: t for p, t in _texts(self.raw).items() if p not in self.paths}
        moving = {".".join(path) for path in self.paths}
        found: dict[tuple[str, ...], tuple[str, ...] | None] = {}
        before = -1
        while len(found) != before:
            before = len(found)
            for path, text in texts.items():
                if path in found or not _reads(text, moving):
                    continue
                whole = WHOLE.match(text)
                direct = whole is not None and whole[1] in self.keys
                found[path] = tuple(whole[1].split(".")) if whole and direct else None
                moving.add(".".join(path))
        return found


def _reads(text: str, moving: set[str]) -> bool:
    """Whether an interpolation may read one of the keys; what cannot be told, may."""
    for name in REFERENCE.findall(text):
        if name.startswith(".") or name.startswith("oc."):
            return True
        word = name.partition(":")[0] if ":" in name else name
        if any(word == k or k.startswith(f"{word}.") or word.startswith(f"{k}.") for k in moving):
            return True
    # Nested ones: the inner is found above, what the outer makes of it cannot be told.
    return text.count("${") > len(REFERENCE.findall(text))


def _texts(content: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Every text with an interpolation, by its path; lists are taken as a whole."""
    if isinstance(content, dict):
        found: dict[tuple[str, ...], str] = {}
        for key, value in content.items():
            found |= _texts(value, (*path, str(key)))
        return found
    text = content if isinstance(content, str) else str(content)
    return {path: text} if isinstance(content, str | list) and "${" in text else {}


def _is_leaf(content: Any, path: tuple[str, ...]) -> bool:
    for word in path:
        if not isinstance(content, dict) or word not in content:
            return False
        content = content[word]
    return not isinstance(content, dict)


def target_at(content: Any, path: tuple[str, ...]) -> str:
    """The `_target_` of the section that a key stands in."""
    section = get(content, path[:-1])
    return str(section.get("_target_", "")) if len(path) > 1 else ""


def get(content: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of nested containers."""
    for word in path:
        content = content[word]
    return content


def _put(copied: dict[tuple[str, ...], dict[str, Any]], path: tuple[str, ...], value: Any) -> None:
    """Set a value; each section on the way to it is copied once, the others stay shared."""
    for depth in range(1, len(path)):
        place = path[:depth]
        if place not in copied:
            above = copied[place[:-1]]
            copied[place] = above[place[-1]] = dict(above[place[-1]])
    copied[path[:-1]][path[-1]] = value


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def is_simple(value: Any) -> bool:
    """Whether a value can be put in place as it stands: no mapping, no interpolation."""
    if isinstance(value, list):
        return all(map(is_simple, value))
    if isinstance(value, str):
        return "${" not in value and value != "???"
    return value is None or isinstance(value, bool | int | float)


def overlap(keys: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two overrides, one of them plain, concern the same part of the config."""
    return _overlapping(tuple(keys), tuple(others))


@lru_cache(maxsize=4096)
def _overlapping(keys: tuple[str, ...], others: tuple[str, ...]) -> bool:
    several = [*keys, *(o for o in others if "." in o)]
    return any(
        a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.")
        for i, a in enumerate(keys)
        for b in [*several[i + 1 :]]
    )
