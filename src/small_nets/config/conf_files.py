"""Reads the config folders: groups, choices, and the keys of a choice. Without torch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from small_nets.config.errors import InputError
from small_nets.system.command_names import PACKAGE

# The folder lies inside an installed package, and beside `src/` in a checkout.
CONF = next(c for c in (PACKAGE / "conf", PACKAGE.parents[1] / "conf") if c.is_dir())
ROOT = "train"
Folders = Sequence[Path]
NOTHING = object()  # the value at a path that does not exist


def experiments(folders: Folders = (CONF,)) -> dict[str, str]:
    """Name -> one-line description of every experiment."""
    found = {}
    for folder in folders:
        for path in sorted((folder / "experiment").glob("*.yaml")):
            text = path.read_text(encoding="utf-8", errors="replace")
            line = re.search(r"^description: *(.+)$", text, re.MULTILINE)
            found[path.stem] = line[1] if line else ""
    return found


def list_experiments(folders: Folders = (CONF,)) -> str:
    """The experiments as text, one indented line for each."""
    known = experiments(folders)
    width = max(map(len, known), default=0)
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in known.items())


def groups(folders: Folders = (CONF,)) -> list[str]:
    """The names of the config groups: data, model, optimizer, … A folder of texts is none."""
    found = {p.name for f in folders for p in f.iterdir() if any(p.glob("*.yaml"))}
    return sorted(found - {"hydra"})


def choices(group: str, folders: Folders = (CONF,)) -> list[str]:
    """The choices of a group, without `base`, from which others start."""
    found = {p.stem for f in folders for p in (f / group).glob("*.yaml")}
    return sorted(found - {"base"})


@cache
def load(path: Path) -> dict[str, Any]:
    """Read a config file. The result is shared: do not change it. Raises InputError."""
    try:
        config = OmegaConf.load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as YAML: {text}") from error
    if not isinstance(config, DictConfig):
        raise InputError(f"{path} holds no keys with values.\nFix: lines such as  lr: 0.01")
    return OmegaConf.to_container(config, resolve=False)  # type: ignore[return-value]


def at(content: Any, words: Sequence[str]) -> Any:
    """The value at a path in nested mappings; NOTHING where there is none."""
    for word in words:
        content = content.get(word, NOTHING) if isinstance(content, dict) else NOTHING
    return content


def has(content: Any, words: Sequence[str]) -> bool:
    """Whether nested mappings have a value at a path."""
    return at(content, words) is not NOTHING


def leaves(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all values in nested mappings."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield *path, key


def file_of(group: str, choice: str, folders: Folders = (CONF,)) -> Path | None:
    """The file of a choice. The first folder wins, as in Hydra's search path."""
    return next(iter(files_of(group, choice, folders)), None)


def files_of(group: str, choice: str, folders: Folders = (CONF,)) -> list[Path]:
    """All files of a choice. Hydra reads only the first."""
    return [p for f in dict.fromkeys(folders) if (p := f / group / f"{choice}.yaml").is_file()]


def stating(group: str, choice: str, words: Sequence[str], folders: Folders) -> Path | None:
    """The file that states a key of a choice: the choice's own, or one that it starts from."""
    path = file_of(group, choice, folders)
    if path is None:
        return None
    if has(load(path), words):
        return path
    started = [stating(other, name, words, folders)
               for other, name in parts(group, load(path).get("defaults"))
               if (other, name) != (group, choice)]  # fmt: skip
    return next((found for found in reversed(started) if found is not None), None)


def choices_stating(group: str, words: Sequence[str], folders: Folders) -> list[str]:
    """The choices of a group whose files state a key."""
    found = []
    for choice in choices(group, folders):
        with suppress(InputError):  # a broken file is reported when its choice is used
            if stating(group, choice, words, folders) is not None:
                found.append(choice)
    return found


def stating_at_root(
    words: Sequence[str], chosen: Mapping[str, str | None], folders: Folders
) -> Path | None:
    """The file that states a key of the root: the root config, or a file with `@package`."""
    files = [file_of(group, str(choice), folders) for group, choice in chosen.items()]
    packaged = [p for p in files if p is not None and "@package" in p.read_text(errors="replace")]
    for path in (root_files(folders)[0], *packaged):
        if has(load(path), words):
            return path
    return None


def section(
    group: str, choice: str, folders: Folders = (CONF,), above: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The keys and default values of a choice, including those of the choices it starts from.

    above: the choices that start from this one; a circle ends there.
    """
    path = file_of(group, choice, folders)
    if path is None or f"{group}/{choice}" in above:
        return {}
    content = dict(load(path))
    merged: dict[str, Any] = {}
    for group_of, name in parts(group, content.pop("defaults", None)):
        merged |= section(group_of, name, folders, (*above, f"{group}/{choice}"))
    return merged | content


def parts(group: str, defaults: Any) -> Iterator[tuple[str, str]]:
    """Yield group and choice of each file that a file of this group starts from.

    defaults: the file's defaults list.
    """
    for entry in defaults if isinstance(defaults, list) else ():
        if isinstance(entry, str) and entry != "_self_":
            name = entry.removeprefix("optional ").partition("@")[0]
            is_absolute = name.startswith("/")
            folder, _, choice = name.lstrip("/").rpartition("/")
            if folder or not is_absolute:  # otherwise it is a file with keys of the root
                yield (folder if is_absolute else f"{group}/{folder}".rstrip("/")), choice


def root(folders: Folders = (CONF,)) -> dict[str, Any]:
    """The keys of the root config that belong to no group, with their defaults.

    A root config of the user's own may state other defaults, but no other keys.
    """
    own = load(root_files(folders)[0])
    known = {k: v for k, v in load(CONF / f"{ROOT}.yaml").items() if k not in ("defaults", "hydra")}
    return {key: own.get(key, value) for key, value in known.items()}


def root_files(folders: Folders) -> list[Path]:
    """All root configs of these folders. Hydra reads only the first."""
    return files_of("", ROOT, folders) or [CONF / f"{ROOT}.yaml"]


def refuse_second_root(folders: Folders) -> None:
    """Raises InputError for a second root config, which Hydra would ignore."""
    first, *others = root_files(folders)
    if others:
        raise InputError(
            f"{others[0]} is not read: the root config is {first}.\n"
            f"Fix: an experiment of your own: {others[0].parent / 'experiment' / 'NAME.yaml'}"
        )


def paths(chosen: Mapping[str, str | None], folders: Folders = (CONF,)) -> list[str]:
    """Every key below a group as it is typed: optimizer.lr, data.source.kind, …

    chosen: group -> choice.
    """
    known = groups(folders)
    return [
        ".".join((group, *path))
        for group, choice in chosen.items()
        if group in known and group != "experiment" and choice is not None
        for path in leaves(section(group, choice, folders))
        if path[-1] != "_target_"
    ]
