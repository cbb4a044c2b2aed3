"""Turns override lists into checked configs, without composing every job.

Hydra takes 85 ms to compose a job. Jobs that differ only in plain values of existing keys share
one composition, called a family. The config of such a job is the family's with some values
replaced, and with the interpolations that read them resolved again. Anything else (group choices,
deletions, additions, mappings, interpolations) starts another family, composed by Hydra.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf, open_dict

from small_nets.config import conf_files
from small_nets.config.check import (
    check_combination,
    check_config,
    folders_of,
    refuse_removed,
    settle,
    without_hydra,
)  # fmt: skip
from small_nets.config.errors import InputError
from small_nets.config.hydra_errors import explain
from small_nets.config.override_values import WHOLE_NUMBER, canonical
from small_nets.config.overrides import own
from small_nets.config.resolve import resolve, typed
from small_nets.data.table_settings import complete
from small_nets.run.outputs.identity import digest, numbers_of
from small_nets.sweep.jobs.family import Family, Reduce, is_simple, overlap


@dataclass
class Job:
    """One job of a sweep.

    family: the config that the job shares with others; None where Hydra could not compose it.
    values: this job's values of the family's keys, in order. run_id: the hash of its config; "" of
    an invalid one. error: why the config is invalid, or None. own: sections that replace the
    family's: the data, where the table completed them.
    """

    number: int
    overrides: Sequence[str]
    family: Family | None
    values: tuple[Any, ...]
    run_id: str = ""
    error: str | None = None
    own: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """The resolved config. Its containers may be shared with other jobs: do not change them."""
        assert self.family is not None, "a job with an error has no settings"
        return self.family.settings(self.values) | self.own

    def digest(self, settings: Mapping[str, Any], reduce: Reduce) -> str:
        """`digest(reduce(settings))`, where what the family shares is written out only once.

        settings: those of this job.
        """
        assert self.family is not None
        return self.family.digest(settings, self.own, reduce)

    @property
    def own_overrides(self) -> list[str]:
        """The overrides of the run itself, without those of the sweep as a whole."""
        return own(self.overrides)

    @property
    def identity(self) -> str:
        """The run_id; for a job with an invalid config, a hash of its overrides."""
        return self.run_id or f"failed_{digest(sorted(map(canonical, self.own_overrides)))}"

    @property
    def choices(self) -> Mapping[str, str | None]:
        """Group -> its choice."""
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
        self.dropped: dict[str, None] = {}  # messages about keys of choices that were replaced

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
            # The other overrides are the same, but other keys vary, or one that is a section.
            family = self._family((*signature, *plain), [], [], number)
            keys, plain = [], []
        if isinstance(family, str):
            return Job(number, overrides, None, (), error=family)
        found = [family.value(i, self._parse(o)) for i, o in enumerate(plain)]
        job = Job(number, overrides, family, tuple(value for value, _ in found))
        settings = job.settings()
        job.error = self._check(job, settings, [error for _, error in found if error is not None])
        if job.error is not None:
            return job
        try:  # read once, since a table's file may change while other runs train
            completed = complete(settings)
        except InputError as error:
            job.error = str(error)
            return job
        job.own = {} if completed is settings else {"data": completed["data"]}
        job.run_id = job.digest(completed, numbers_of)
        return job

    def _parse(self, override: str) -> Override:
        if override not in self.parsed:
            whole = WHOLE_NUMBER.match(override)
            # Hydra's parser takes half a millisecond, too long for ten thousand seeds.
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
        known = self.families.get(signature) or self.families.get((*signature, *keys))
        if known is not None:
            return known
        found = self.compose([*signature, *plain], number)
        if isinstance(found, DictConfig):
            task, choices = without_hydra(found), found.hydra.runtime.choices
            try:
                refuse_removed(task, self.folders)
                task = typed(task, keep=True)
                settings = resolve(typed(task))
            except InputError as error:
                return str(error)
            hydra: Any = OmegaConf.to_container(found.hydra, resolve=False, enum_to_str=True)
            family = Family(task, settings, dict(choices), tuple(keys), hydra)
            if family.reads_hydra or not family.has_leaves():
                # A value depends on the job itself, or a key is that of a section.
                family = Family(task, settings, dict(choices), (), hydra)
                signature = (*signature, *plain)
            family.error = self._message(settings, choices)
            if not family.reads_hydra:
                self.families[signature] = family
            return family
        self.families[(*signature, *keys)] = found  # a key is wrong, whatever its value
        return found

    def compose(self, overrides: Sequence[str], number: int = 0) -> DictConfig | str:
        """Compose a job's overrides, `hydra` included. Returns a message where Hydra cannot."""
        try:
            config = self.loader.load_sweep_config(self.master, list(overrides))
        except Exception as error:  # hydra raises plain ValueErrors too
            return self._explained(error, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        self.dropped |= dict.fromkeys(settle(config))
        HydraConfig.instance().set_config(config)
        return config

    def _explained(self, error: Exception, overrides: Sequence[str]) -> str:
        if (message := explain(error, overrides, self.folders)) is None:
            raise error
        return message

    def _message(self, settings: Mapping[str, Any], choices: Mapping[str, Any]) -> str | None:
        try:
            check_config(settings, choices, self.folders)
        except InputError as error:
            return str(error)
        return None

    def _check(self, job: Job, settings: Mapping[str, Any], wrong: Sequence[str]) -> str | None:
        """What is wrong with a job's config, or None. wrong: messages about single values."""
        family = job.family
        assert family is not None
        if not family.keys:
            return family.error
        if family.error is not None:
            # The family's first job was wrong, in its own values or in what all share.
            return self._message(settings, job.choices)
        if wrong:
            return wrong[0]
        try:
            family.check_read(settings)
            check_combination(settings)
        except InputError as error:
            return str(error)
        return None
