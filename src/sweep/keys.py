"""Which keys a sweep varies, and the settings that it has only once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.errors import InputError
from src.overrides import SWEEP_ONLY, key_of, own
from src.sweep.expand import Job
from src.sweep.outcomes import given_values
from src.sweep.store import Store
from src.sweep.tables import value_of
from src.values import check_value

OF_THE_SWEEP = (*SWEEP_ONLY, "engine", "pictures")


def refuse_varying(lists: Sequence[Sequence[str]]) -> None:
    """Raises InputError where jobs differ in what one sweep has only once."""
    different = set(chain.from_iterable(lists))
    for word in OF_THE_SWEEP:
        given = {o for o in different if key_of(o).split(".")[0] == word}
        for key in sorted({o.partition("=")[0] for o in given}):
            values = sorted(o.partition("=")[2] for o in given if o.partition("=")[0] == key)
            if len(values) > 1:
                raise InputError(
                    f"{key} is a setting of the whole sweep: it takes one value, not "
                    f"{', '.join(values)}.\nFix: {key}={values[0]}"
                )


def sweep_settings(master: DictConfig) -> dict[str, Any]:
    """The settings below `sweep`. Raises InputError."""
    found = OmegaConf.to_container(master.sweep, resolve=True)
    assert isinstance(found, dict)
    for key, value in found.items():
        check_value(f"sweep.{key}", value)
    return {str(key): value for key, value in found.items()}


def executor_settings(master: DictConfig) -> dict[str, Any]:
    """The settings below `executor`."""
    found = OmegaConf.to_container(master.executor, resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def swept_keys(jobs: Sequence[Job], store: Store) -> tuple[dict[str, set[type]], dict[str, str]]:
    """The keys whose values differ, with the types of their values; and those that do not.

    They differ between these jobs, or between them and the runs that are stored: given before
    and not now, or now and not before, or otherwise than before.
    """
    given: dict[str, set[str]] = {}
    # Each once, in the order of the command: a million jobs have some thousands.
    for override in own(dict.fromkeys(chain.from_iterable(job.overrides for job in jobs))):
        given.setdefault(key_of(override), set()).add(override)
    fixed = {key: min(values) for key, values in given.items() if len(values) == 1}
    before: dict[str, str] = store.about.get("fixed", {})
    known = set(before) | set(store.about["swept"])
    keys = [key for key in given if key not in fixed]
    if store.about["jobs"]:
        keys += [k for k in fixed if before.get(k) != fixed[k] and k not in keys]
        keys += [k for k in known if k not in given and k not in keys]
    keys = [key for key in keys if key not in OF_THE_SWEEP]
    types: dict[str, set[type]] = {key: set() for key in keys}
    for job in jobs:
        config = given_values(job) if job.error is not None else job.settings()
        choices = config if job.error is not None else job.choices
        for key in keys:
            types[key].add(type(value_of(key, config, choices)))
    return types, {key: text for key, text in fixed.items() if key not in keys}
