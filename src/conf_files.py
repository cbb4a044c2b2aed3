"""What the config folders hold: groups, choices, the keys of a choice. Reads YAML, no torch."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).parent.parent / "conf"
ROOT = "train"
Folders = Sequence[Path]


def experiments(folders: Folders = (CONF,)) -> dict[str, str]:
    """Name -> one-line description of every experiment."""
    found = {}
    for folder in folders:
        for path in sorted((folder / "experiment").glob("*.yaml")):
            line = re.search(r"^description: *(.+)$", path.read_text(), re.MULTILINE)
            found[path.stem] = line[1] if line else ""
    return found


def list_experiments(folders: Folders = (CONF,)) -> str:
    """The experiments as indented lines, one each."""
    known = experiments(folders)
    width = max(map(len, known), default=0)
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in known.items())


def groups(folders: Folders = (CONF,)) -> list[str]:
    """The config groups: data, model, optimizer, ..."""
    return sorted({p.name for f in folders for p in f.iterdir() if p.is_dir()} - {"hydra"})


def choices(group: str, folders: Folders = (CONF,)) -> list[str]:
    """The choices of a group. The bases that other choices start from are not choices."""
    found = {p.stem for f in folders for p in (f / group).glob("*.yaml")}
    return sorted(found - {"base"})


@cache
def _load(path: Path) -> dict[str, Any]:
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig), f"{path} is not a mapping"
    return OmegaConf.to_container(config, resolve=False)  # type: ignore[return-value]


def _find(group: str, choice: str, folders: Folders) -> Path | None:
    # The first folder wins, as in Hydra's search path.
    return next((p for f in folders if (p := f / group / f"{choice}.yaml").is_file()), None)


def section(group: str, choice: str, folders: Folders = (CONF,)) -> dict[str, Any]:
    """The keys and default values of a choice, those of the choices it starts from included."""
    path = _find(group, choice, folders)
    if path is None:
        return {}
    content = dict(_load(path))
    merged: dict[str, Any] = {}
    for entry in content.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            merged |= section(group, entry, folders)
    return merged | content


def experiment(name: str, folders: Folders = (CONF,)) -> dict[str, Any]:
    """An experiment's file as it stands, `defaults` included."""
    path = _find("experiment", name, folders)
    return {} if path is None else _load(path)


def root(folders: Folders = (CONF,)) -> dict[str, Any]:
    """The keys of the root config that belong to no group, with their defaults."""
    path = next(p for f in folders if (p := f / f"{ROOT}.yaml").is_file())
    return {k: v for k, v in _load(path).items() if k not in ("defaults", "hydra")}


def paths(chosen: Mapping[str, str | None], folders: Folders = (CONF,)) -> list[str]:
    """Every key below a group, as it is typed: optimizer.lr, data.source.kind, ..."""

    def below(path: str, content: Mapping[str, Any]) -> list[str]:
        return [
            where
            for key, value in content.items()
            if key != "_target_"
            for where in (
                below(f"{path}.{key}", value) if isinstance(value, dict) else [f"{path}.{key}"]
            )
        ]

    known = groups(folders)
    return [
        path
        for group, choice in chosen.items()
        if group in known and group != "experiment" and choice is not None
        for path in below(group, section(group, choice, folders))
    ]


def default_choices(name: str | None, folders: Folders = (CONF,)) -> dict[str, str]:
    """Group -> choice before the command line has its say: the root's, then an experiment's."""
    path = next(p for f in folders if (p := f / f"{ROOT}.yaml").is_file())
    entries = list(_load(path)["defaults"])
    if name is not None:
        entries += experiment(name, folders).get("defaults", [])
    found = {}
    for entry in entries:
        for key, choice in entry.items() if isinstance(entry, dict) else ():
            found[key.removeprefix("override ").lstrip("/")] = choice
    return found
