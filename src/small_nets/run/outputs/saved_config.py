"""Finds the config of a run in its directory, and compares the two copies that are stored there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.stored_config import NotResolved, read_yaml
from small_nets.data.table_settings import is_resolved
from small_nets.run.outputs.directory_kind import is_sweep, what_is
from small_nets.system.sealed_json import unseal

RESULT, HYDRA = "result.json", Path(".hydra") / "config.yaml"
FEW = 5  # keys that a message names


def find_config(directory: Path) -> tuple[dict[str, Any], Path]:
    """The resolved config that a run's directory holds, and the file that it was read from.

    It is read from the file that Hydra wrote before the run. The config in result.json is taken
    where that file is missing (a copy may have left the hidden folder behind), or where it has
    interpolations that only a command line resolves. The content is not checked. Raises InputError
    where there is no config.
    """
    path, result = directory / HYDRA, directory / RESULT
    found = _of_result(result)
    if path.is_file():
        try:
            return read_yaml(path), path
        except NotResolved:
            if found is None:
                raise
        except InputError as error:
            if found is None:
                raise
            fix = f"Fix: remove it; then {RESULT}, which has the config too, is taken"
            raise InputError(f"{error}\n{fix}") from error
    if found is not None:
        return found, result
    fix = "the directory that a run printed at its end, below outputs/"
    if is_sweep(directory):
        fix = f"one of its runs, by number: {directory}/0"
    raise InputError(
        f"{directory} {what_is(directory, 'a run')}: it has neither {HYDRA} nor a {RESULT} with a "
        f"config.\nFix: {fix}"
    )


def refuse_changed(directory: Path) -> None:
    """Raises InputError for a run whose two stored configs differ.

    result.json has a digest of its content, so Hydra's file is the one that was changed.
    """
    found = _of_result(directory / RESULT)
    differ = [] if found is None else list(_differences(found, directory / HYDRA))
    if differ:
        more = f" and {len(differ) - FEW} more" if len(differ) > FEW else ""
        raise InputError(
            f"{directory / HYDRA} was changed after the run: it differs from {RESULT} in "
            f"{', '.join(differ[:FEW])}{more}.\nFix: remove {HYDRA}; then {RESULT} is taken"
        )


def _of_result(path: Path) -> Any:
    """The config in result.json; None where there is none that can be read."""
    try:
        config = unseal(path.read_bytes()).get("config")
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def _differences(config: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Yield the keys whose values differ in Hydra's file. A null there does not count."""
    if path.is_file():
        mine = {key: value for key, value in config.items() if key not in SWEEP_ONLY}
        yield from _walk(mine, read_yaml(path, resolve=False), "")


def _walk(mine: Mapping[str, Any], other: Any, path: str) -> Iterator[str]:
    for key, value in mine.items():
        if not isinstance(other, Mapping) or other.get(key) is None:
            continue
        where, there = f"{path}{key}", other[key]
        if isinstance(value, Mapping):
            yield from _walk(value, there, f"{where}.")
        elif not (_same(value, there) or is_resolved(where, there)):
            yield f"{where} ({there} and {value})" if not isinstance(there, list | dict) else where


def _same(mine: Any, there: Any) -> bool:
    if isinstance(there, str) and "${" in there:
        return True  # an interpolation was resolved for the run
    if isinstance(mine, list) or isinstance(there, list):
        mine, there = (v if isinstance(v, list) else [v] for v in (mine, there))
        return len(mine) == len(there) and all(map(_same, mine, there))
    if isinstance(mine, bool) or isinstance(there, bool) or not isinstance(mine, int | float):
        return str(mine) == str(there)
    try:
        return float(mine) == float(there)
    except (TypeError, ValueError):
        return False
