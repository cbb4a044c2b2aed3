"""A family: jobs that differ only in plain values, and share one composed config."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from small_nets.config.conf_files import NOTHING, at
from small_nets.config.errors import InputError
from small_nets.config.resolve import resolve, typed
from small_nets.config.schema import cast_value, check_value, kind_of
from small_nets.run.outputs.identity import READS, digest, pair_text

Reduce = Callable[[Mapping[str, Any]], dict[str, Any]]
REFERENCE = re.compile(r"\$\{([^${}]*)\}")
WHOLE = re.compile(r"^\$\{([A-Za-z_][\w.]*)\}$")


class Family:
    """One composed config in which the values of some keys vary.

    task: the composed config without `hydra`. base: the same, resolved. choices: group -> choice.
    keys: the keys that vary. hydra: Hydra's own node, unresolved. error: why base is invalid, or
    None.
    """

    def __init__(
        self, task: DictConfig, base: dict[str, Any], choices: Mapping[str, str | None],
        keys: tuple[str, ...], hydra: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.task, self.base, self.choices, self.keys = task, base, choices, keys
        self.hydra = hydra
        self.error: str | None = None
        self.raw: dict[str, Any] = OmegaConf.to_container(task, resolve=False)  # type: ignore
        self.paths = [tuple(key.split(".")) for key in keys]
        self.read = self._readers()
        self.slow = [path for path, source in self.read.items() if source is None]
        # Whether a slow interpolation reads another one, whose value may change its type there.
        read = {key for path in self.read if kind_of(key := ".".join(path)) != "text"}
        texts = _texts(self.raw)
        self.deep = any(_reads(texts[path], read) for path in self.slow)
        self.targets = {path: target_at(base, path) for path in (*self.paths, *self.read)
                        if _is_leaf(self.raw, path)}  # fmt: skip
        self.texts: dict[Reduce, dict[str, str]] = {}
        self.checked: dict[tuple[int, str], tuple[Any, str | None]] = {}

    def value(self, place: int, override: Override) -> tuple[Any, str | None]:
        """The value that an override gives to the key at a place, and why it is invalid or None."""
        memo = (place, str(override.input_line))
        if memo not in self.checked:
            key, target = self.keys[place], self.targets[self.paths[place]]
            value: Any = override.value()
            try:
                self.checked[memo] = check_value(key, value, target), None
            except InputError as error:
                self.checked[memo] = cast_value(key, value, target), str(error)
        return self.checked[memo]

    def check_read(self, settings: Mapping[str, Any]) -> None:
        """Check the values that are read from a varying key. Raises InputError."""
        for path in self.read:
            check_value(".".join(path), at(settings, path), self.targets[path])

    def has_leaves(self) -> bool:
        """Whether every varying key is a plain value of the config, not a section."""
        return all(_is_leaf(self.raw, path) for path in self.paths)

    @property
    def reads_hydra(self) -> bool:
        """Whether a value is read from Hydra's own node, which differs from job to job."""
        return any("hydra" in text for text in _texts(self.raw).values())

    def settings(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The resolved config with these values of `keys`. Untouched sections are shared."""
        return self._filled(self.base, values, resolved=True)

    def unresolved(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The config as Hydra writes it to .hydra/config.yaml, with its interpolations."""
        return self._filled(self.raw, values, resolved=False)

    def digest(self, settings: Mapping[str, Any], own: Collection[str], reduce: Reduce) -> str:
        """`digest(reduce(settings))` of a job, written out quickly: most text is shared.

        own: sections in which the settings differ from the family's besides `keys`. reduce: a
        function whose result for a key depends only on the same key, and on the keys that READS
        names.
        """
        if reduce not in self.texts:
            paths = (*self.paths, *self.read)
            moving = {path[0] for path in paths}
            moved = [".".join(path) for path in paths]
            moving |= {key for key, read in READS.items() if overlap(read, moved)}
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
        if self.slow:
            for key, value in zip(self.keys, values, strict=True):
                OmegaConf.update(self.task, key, value, merge=False)
        whole = resolve(typed(self.task)) if self.deep else None
        for path, source in self.read.items():
            key = ".".join(path)
            if whole is not None:
                value = at(whole, path)
            else:
                value = at(found, source) if source else _plain(OmegaConf.select(self.task, key))
            _put(copied, path, cast_value(key, value, self.targets[path]))
        return found

    def _readers(self) -> dict[tuple[str, ...], tuple[str, ...] | None]:
        """The interpolations that depend on a varying key: path -> the path that it copies.

        None stands for an interpolation that only OmegaConf can resolve. Interpolations that
        depend on no varying key, even through another one, keep their value in base.
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
    """Whether the interpolations in a text may read one of the keys. True where in doubt."""
    for name in REFERENCE.findall(text):
        if name.startswith(".") or name.startswith("oc."):
            return True
        word = name.partition(":")[0] if ":" in name else name
        if any(_is_part(word, key) for key in moving):
            return True
    # Of nested interpolations only the inner one was found above.
    return text.count("${") > len(REFERENCE.findall(text))


def _texts(content: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Path -> text with an interpolation. A list counts as one text."""
    if isinstance(content, dict):
        found: dict[tuple[str, ...], str] = {}
        for key, value in content.items():
            found |= _texts(value, (*path, str(key)))
        return found
    text = content if isinstance(content, str) else str(content)
    return {path: text} if isinstance(content, str | list) and "${" in text else {}


def _is_leaf(content: Any, path: tuple[str, ...]) -> bool:
    found = at(content, path)
    return found is not NOTHING and not isinstance(found, dict)


def target_at(content: Any, path: tuple[str, ...]) -> str:
    """The `_target_` of the section that a key stands in."""
    return str(at(content, path[:-1]).get("_target_", "")) if len(path) > 1 else ""


def _put(copied: dict[tuple[str, ...], dict[str, Any]], path: tuple[str, ...], value: Any) -> None:
    """Set a value. The sections above it are copied, each once; the others stay shared."""
    for depth in range(1, len(path)):
        place = path[:depth]
        if place not in copied:
            above = copied[place[:-1]]
            copied[place] = above[place[-1]] = dict(above[place[-1]])
    copied[path[:-1]][path[-1]] = value


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def is_simple(value: Any) -> bool:
    """Whether a value can be set as it stands: it holds no mapping and no interpolation."""
    if isinstance(value, list):
        return all(map(is_simple, value))
    if isinstance(value, str):
        return "${" not in value and value != "???"
    return value is None or isinstance(value, bool | int | float)


def overlap(keys: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two of these keys concern the same part of the config.

    keys: of plain overrides. others: of all other overrides, compared only with `keys`.
    """
    return _overlapping(tuple(keys), tuple(others))


@lru_cache(maxsize=4096)
def _overlapping(keys: tuple[str, ...], others: tuple[str, ...]) -> bool:
    several = [*keys, *(o for o in others if "." in o)]
    return any(_is_part(a, b) for i, a in enumerate(keys) for b in several[i + 1 :])


def _is_part(one: str, other: str) -> bool:
    """Whether two keys are the same, or one lies in the other's section."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
