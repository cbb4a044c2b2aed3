"""Reads a config from a run's directory, and checks it as one that is typed.

Anybody may have written the file. So it is read without tags, aliases and resolvers, which could
run code or fill the memory. Nothing is built from it before its keys, its values and its sizes are
checked.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader

from small_nets.config import conf_files
from small_nets.config.check import check_combination
from small_nets.config.components import is_table
from small_nets.config.data_schema import of_example
from small_nets.config.errors import InputError, nearest
from small_nets.config.field_types import is_integer
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.schema import check_value, show
from small_nets.config.sections import keys_of, needed_of

LARGEST = 2**20  # bytes of a config file
LINE = 500  # characters of a line in a message
DEEPEST = 32  # levels of nested sections and lists


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_categories(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(k) and _is_texts(v) for k, v in value.items())


# Keys that the program fills in from a table. In a typed config they are null.
FILLED: dict[str, Callable[[Any], bool]] = {
    "data.digest": lambda v: _is_text(v) and re.fullmatch(r"[0-9a-f]{8,128}", v) is not None,
    "data.classes": _is_texts,
    "data.label_type": _is_text,
    "data.categories": _is_categories,
    "data.dropped": lambda v: is_integer(v) and v >= 0,
}
REFERENCE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as OmegaConf reads it (1e-3 is a number, a date is a text), by the fast parser."""

    yaml_implicit_resolvers = get_yaml_loader().yaml_implicit_resolvers


class NotResolved(InputError):
    """An interpolation is more than a reference to a key of the same config."""


def read_yaml(path: Path, resolve: bool = True) -> dict[str, Any]:
    """Read a config file, and replace references to its own keys. Raises InputError, NotResolved.

    resolve: False leaves the references.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"{path} is not a config: it has {size:,} bytes, and a config has at "
                             f"most {LARGEST:,}")  # fmt: skip
        text = path.read_text(encoding="utf-8")
        _refuse_growing(text)
        found = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a config: {reason}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a config: it has no keys")
    for key in SWEEP_ONLY:  # not needed, and they may hold interpolations that only a run resolves
        found.pop(key, None)
    if not resolve:
        return found
    try:
        return _resolved(found, found)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error


def _refuse_growing(text: str) -> None:
    """Raises ValueError for an alias, a tag, or deep nesting. Aliases may expand without end."""
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ValueError("it has an alias or an anchor (& or *), which are not allowed here")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise ValueError(f"it has the tag {tag}; tags are not allowed here")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"its sections are nested more than {DEEPEST} deep")


def _resolved(value: Any, whole: Mapping[str, Any], depth: int = 0) -> Any:
    """Replace references to the config's own keys, such as ${seed}. Nothing else is resolved."""
    if isinstance(value, dict):
        return {str(key): _resolved(item, whole, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, whole, depth) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    reference = REFERENCE.fullmatch(value)
    if reference is None or depth > DEEPEST:
        raise NotResolved(f"{value!r} is not allowed in a stored config: only a reference to one "
                          "of its own keys is, such as ${seed}")  # fmt: skip
    found: Any = whole
    for word in reference[1].split("."):
        if not isinstance(found, Mapping) or word not in found:
            raise InputError(f"{value!r} refers to a key that the config does not have")
        found = found[word]
    if isinstance(found, dict | list):
        raise InputError(f"{value!r} refers to a section, not to a value")
    return _resolved(found, whole, depth + 1)


LATER = {"print": "few", "pictures": "few"}  # keys of which configs of earlier runs have none


def check_stored(config: Any, where: str) -> dict[str, Any]:
    """Check a stored config, resolved, in plain containers. Returns it with its values cast.

    where: what holds it, for the message. Raises InputError.
    """
    try:
        found = _checked(config)
    except InputError as error:
        text = "\n".join(line if len(line) < LINE else f"{line[:LINE]}…"
                         for line in str(error).splitlines())  # fmt: skip
        raise InputError(f"{where}: {text}\nNothing was built from it.") from error
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # The test of a field failed, for a value of a type that no command line can give.
        raise InputError(f"{where}: it has a value of a type that no key takes ({error}).\n"
                         "Nothing was built from it.") from error  # fmt: skip
    return found


def _checked(config: Any) -> dict[str, Any]:
    if not isinstance(config, dict):
        raise InputError("it has no keys")
    found = {str(key): value for key, value in config.items() if key not in SWEEP_ONLY}
    found = LATER | found
    known = {key: value for key, value in conf_files.root().items() if key not in SWEEP_ONLY}
    groups = [g for g in conf_files.groups() if g not in ("experiment", *SWEEP_ONLY)]
    missing = [key for key in (*known, *groups) if key not in found]
    if missing:
        raise InputError(f"it has no {', '.join(missing)}")
    unknown = [key for key in found if key not in known and key not in groups]
    if unknown:
        raise InputError(f"{unknown[0]} does not exist{nearest(unknown[0], [*known, *groups])}")
    found |= {key: check_value(key, found[key]) for key in known}
    for group in groups:
        section = found[group]
        if not isinstance(section, dict) or not isinstance(section.get("source", {}), dict):
            raise InputError(f"{group}={show(section)[:80]} is not a section")
        found[group] = _typed(group, section, keys_of(group, section))
        needed = needed_of(group, section) | ({"source"} if group == "data" else set())
        missing = sorted(path for path in needed if not conf_files.has(section, path.split(".")))
        if missing:
            raise InputError(f"{group} has no {', '.join(missing)}")
    data = found["data"]
    assert isinstance(data, dict), "a section, as was checked above"
    if not is_table(data):  # Hydra's own file has nulls where nothing was typed
        found["data"] = data | of_example(data)
    check_combination(found)
    rest = {k: v for k, v in config.items() if k in SWEEP_ONLY and isinstance(v, dict)}
    return found | rest  # which nothing reads


def _typed(where: str, section: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Check a section, and cast its values. known: see `keys_of`. Raises InputError."""
    if not isinstance(section, dict):
        raise InputError(f"{where}={show(section)[:80]} is not a section")
    found = dict(section)
    for key, value in section.items():
        path = f"{where}.{key}"
        if key not in known:
            raise InputError(f"{path} does not exist{nearest(str(key), known)}")
        if key == "_target_":
            continue
        if known[key] is not None:
            found[key] = _typed(path, value, known[key])
        elif path in FILLED and value is not None:
            if not FILLED[path](value):
                raise InputError(f"{path}={show(value)[:80]} was not filled in by this program")
        elif isinstance(value, dict):
            raise InputError(f"{path} is a section, and should be a value")
        else:
            found[key] = check_value(path, value, str(section.get("_target_", "")))
    return found
