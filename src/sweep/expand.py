"""Override lists -> checked settings, without composing every job.

Hydra composes a job in 85 ms. Jobs that differ only in plain values of settings that exist
share one composition: a family. A job of a family is its settings with some values replaced,
and with the interpolations that read them resolved again. Whatever is not that simple (group
choices, deletions, additions, values that are mappings or interpolations) makes a family of
its own, composed by Hydra.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf, open_dict

from src import conf_files
from src.check import (
    check_combination,
    check_settings,
    folders_of,
    refuse_removed,
    resolve,
    without_hydra,
)
from src.complete import complete
from src.errors import InputError
from src.explain import explain
from src.overrides import own
from src.result import digest, numbers_of
from src.sweep.family import Family, Reduce, get, is_simple, overlap, target_at
from src.values import check_value

WHOLE_NUMBER = re.compile(r"^([A-Za-z_][\w.]*)=(-?(?:0|[1-9]\d*))$")


@dataclass
class Job:
    """One job of a sweep.

    family: what its settings are made from; values: those of the family's keys, in order.
    error: why its config cannot be, else None; run_id: the hash of its settings, else "".
    own: sections in place of the family's: the data, where they had to be completed.
    """

    number: int
    overrides: Sequence[str]
    family: Family | None
    values: tuple[Any, ...]
    run_id: str = ""
    error: str | None = None
    own: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """The resolved config, as plain containers that may be shared with other jobs."""
        assert self.family is not None, "a job with an error has no settings"
        return self.family.settings(self.values) | self.own

    def digest(self, settings: Mapping[str, Any], reduce: Reduce) -> str:
        """`digest(reduce(settings))` of its own settings, without their shared text."""
        assert self.family is not None
        return self.family.digest(settings, self.own, reduce)

    @property
    def own_overrides(self) -> list[str]:
        """Without those of the sweep around it."""
        return own(self.overrides)

    @property
    def identity(self) -> str:
        """The run_id; of a job whose config cannot be, a hash of its overrides."""
        return self.run_id or f"failed_{digest(sorted(self.own_overrides))}"

    @property
    def choices(self) -> Mapping[str, str | None]:
        """Group -> choice."""
        assert self.family is not None
        return self.family.choices


class Expander:
    """Composes the jobs of one sweep.

    master: the config of the multirun, with its `hydra` node. loader: Hydra's.
    """

    def __init__(self, master: DictConfig, loader: Any) -> None:
        self.master = master
        self.loader = loader
        self.folders = folders_of(master.hydra)
        self.groups = set(conf_files.groups(self.folders))
        self.parser = OverridesParser.create(config_loader=loader)
        self.parsed: dict[str, Override] = {}
        self.families: dict[tuple[str, ...], Family | str] = {}
        self.checked: dict[tuple[Any, ...], str | None] = {}

    def expand(self, lists: Sequence[Sequence[str]], first: int = 0) -> list[Job]:
        """A job for each override list, numbered from `first`."""
        same = set(lists[0]).intersection(*lists[1:]) if lists else set()
        return [
            self._job(number, list(overrides), same)
            for number, overrides in enumerate(lists, start=first)
        ]

    def _job(self, number: int, overrides: list[str], same: set[str]) -> Job:
        varying = [o for o in overrides if o not in same]
        try:
            plain = [o for o in varying if self._is_plain(self._parse(o))]
        except Exception as error:  # hydra's grammar raises several kinds
            return Job(number, overrides, None, (), error=self._explained(error, overrides))
        keys = [self._parse(o).key_or_group for o in plain]
        others = [self._parse(o).key_or_group for o in overrides if o not in plain]
        if overlap(keys, others):
            plain, keys = [], []
        kept = set(plain)
        signature = tuple(o for o in overrides if o not in kept)
        family = self._family(signature, plain, keys, number)
        if isinstance(family, Family) and family.keys != tuple(keys):
            # The same rest, but other keys, or one that is no plain leaf there.
            family = self._family((*signature, *plain), [], [], number)
            keys, plain = [], []
        if isinstance(family, str):
            return Job(number, overrides, None, (), error=family)
        values = tuple(self._parse(o).value() for o in plain)
        job = Job(number, overrides, family, values)
        settings = job.settings()
        job.error = self._check(job, settings)
        if job.error is None:
            _complete(job, settings)
        return job

    def _parse(self, override: str) -> Override:
        if override not in self.parsed:
            whole = WHOLE_NUMBER.match(override)
            # Hydra's grammar takes half a millisecond for each of ten thousand seeds.
            self.parsed[override] = self.parser.parse_override(override) if whole is None else (
                Override(
                    OverrideType.CHANGE, whole[1], ValueType.ELEMENT, int(whole[2]),
                    input_line=override,
                )
            )  # fmt: skip
        return self.parsed[override]

    def _is_plain(self, override: Override) -> bool:
        key = override.key_or_group
        changes = override.is_add() or override.is_force_add() or override.is_delete()
        named = override.package is not None or "/" in key or key in self.groups
        return not (changes or named) and is_simple(override.value())

    def _family(
        self, signature: tuple[str, ...], plain: list[str], keys: list[str], number: int
    ) -> Family | str:
        """The family of a signature, composed with the values of its first job."""
        if signature in self.families:
            return self.families[signature]
        found = self.compose([*signature, *plain], number)
        if isinstance(found, DictConfig):
            task, choices = without_hydra(found), found.hydra.runtime.choices
            try:
                refuse_removed(task, self.folders)
                settings = resolve(task)
            except InputError as error:
                return str(error)
            hydra: Any = OmegaConf.to_container(found.hydra, resolve=False, enum_to_str=True)
            family = Family(task, settings, dict(choices), tuple(keys), hydra)
            if family.reads_hydra or not family.has_leaves():
                # Settings that depend on the job itself, or a key that stands for a section.
                family = Family(task, settings, dict(choices), (), hydra)
                if not family.reads_hydra:
                    self.families[(*signature, *plain)] = family
                return family
            family.error = self._message(settings, choices)
            self.families[signature] = family
            return family
        if not plain:
            self.families[signature] = found
        return found

    def compose(self, overrides: Sequence[str], number: int = 0) -> DictConfig | str:
        """What Hydra makes of a job's overrides, `hydra` included; or why it cannot."""
        try:
            config = self.loader.load_sweep_config(self.master, list(overrides))
        except Exception as error:  # hydra raises plain ValueErrors too
            return self._explained(error, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        return config

    def _explained(self, error: Exception, overrides: Sequence[str]) -> str:
        message = explain(error, overrides, self.folders)
        if message is None:
            raise error
        return message

    def _message(self, settings: Mapping[str, Any], choices: Mapping[str, Any]) -> str | None:
        try:
            check_settings(settings, choices, self.folders)
        except InputError as error:
            return str(error)
        return None

    def _check(self, job: Job, settings: Mapping[str, Any]) -> str | None:
        """What is wrong with a job's settings, or None."""
        family = job.family
        assert family is not None
        if not family.keys:
            if family.error is None:
                family.error = self._message(settings, job.choices)
            return family.error
        if family.error is not None:
            # The family's first job was wrong, in what varies or in what they share.
            return self._message(settings, job.choices)
        for key, value in zip(family.keys, job.values, strict=True):
            memo = (id(family), key, repr(value))
            if memo not in self.checked:
                self.checked[memo] = _value_error(family, key, value)
            if self.checked[memo] is not None:
                return self.checked[memo]
        try:
            # What is read from a varying key varies with it.
            for path in family.read:
                check_value(".".join(path), get(settings, path), target_at(settings, path))
            check_combination(settings)
        except InputError as error:
            return str(error)
        return None


def _complete(job: Job, settings: dict[str, Any]) -> None:
    """Fill in what the job's table decides; once, since the file may change while others train."""
    try:
        found = complete(settings)
    except InputError as error:
        job.error = str(error)
        return
    job.own = {} if found is settings else {"data": found["data"]}
    job.run_id = job.digest(found, numbers_of)


def _value_error(family: Family, key: str, value: Any) -> str | None:
    try:
        check_value(key, value, target_at(family.base, tuple(key.split("."))))
    except InputError as error:
        return str(error)
    return None
