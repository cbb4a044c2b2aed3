"""The search space: parameters with their kinds and ranges, parsed from Hydra's sweep overrides.

Ranges mean what they mean to Hydra: neither `range(2,64)` nor `int(interval(2,64))` contains 64.
"""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from small_nets.config.errors import InputError, nearest
from small_nets.config.field_types import LARGEST
from small_nets.config.override_values import one_text
from small_nets.config.overrides import key_of
from small_nets.sweep.jobs.grid import FOLD, GIVEN_ONCE, SEEDS, parsed, range_of

Kind = Literal["float", "int", "choice"]
FORMS = "interval(low,high)  tag(log, interval(low,high))  range(low,high,step)  choice(a,b)  a,b"


@dataclass(frozen=True)
class Parameter:
    """A key that is searched.

    key: as typed, with a plus sign where it has one. low, high: the least and the largest value of
    a number. step: between neighbours; None for a float that takes any value. log: whether the
    scale is logarithmic. choices: as typed. is_group: whether the choices are those of a group.
    """

    key: str
    kind: Kind
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    is_group: bool = False

    @property
    def name(self) -> str:
        """The key without its plus sign."""
        return key_of(self.key)

    @property
    def ends(self) -> tuple[str, ...]:
        """Values to check, as typed: if any value is wrong, one of these is.

        They are all choices, or both ends. For floats there is also one between them, which has a
        fraction if any has.
        """
        between = self.low + (self.step or (self.high - self.low) / 3)
        some = [self.low, self.high, between] if self.kind == "float" else [self.low, self.high]
        return self.choices or tuple(map(self.typed, some))

    @property
    def text(self) -> str:
        """The values in words. Two parameters with the same text have the same values."""
        if self.kind == "choice":
            return ", ".join(self.choices)
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        scale = " on a log scale" if self.log else "" if self.step == 1 else steps
        return f"{self.kind} from {self.low!r} to {self.high!r}{scale}"

    def at(self, share: float) -> Any:
        """The value below which a share of the range lies. share: from 0 on and below 1.

        On a log scale, a whole number stands for the interval half-way to its neighbours.
        """
        if self.log:
            half = 0.5 if self.kind == "int" else 0.0
            low, high = math.log(self.low - half), math.log(self.high + half)
            value = math.exp(low + share * (high - low))
            return min(max(round(value) if half else value, self.low), self.high)
        if self.count is None:
            return self.low + share * (self.high - self.low)
        return self.value(int(share * self.count))

    @property
    def count(self) -> int | None:
        """The number of values; None for a range of floats."""
        if self.kind == "choice":
            return len(self.choices)
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def value(self, place: int) -> Any:
        """The value at a place, from 0 on and below `count`."""
        return self.choices[place] if self.kind == "choice" else self.low + place * (self.step or 1)

    def typed(self, value: Any) -> str:
        """A value as it is typed. With steps of 0.1 that is 0.3, not 0.30000000000000004."""
        if self.kind == "float" and self.step is not None:
            return repr(float(f"{value:.12g}"))
        return str(value)


@dataclass(frozen=True)
class Space:
    """What a search varies.

    parameters: the keys that vary. fixed: key as typed -> override, for the others. settings: those
    of all keys that are plain config keys, which some choices may lack. Groups, Hydra's own keys,
    and keys with a plus or a tilde are not among them.
    """

    parameters: tuple[Parameter, ...]
    fixed: dict[str, str]
    settings: tuple[str, ...]

    @property
    def groups(self) -> tuple[Parameter, ...]:
        """The parameters that are groups. Their choices decide which other keys exist."""
        return tuple(p for p in self.parameters if p.is_group)


def space_of(arguments: Sequence[str], loader: Any, groups: Container[str]) -> Space:
    """Parse sweep overrides to a space. A range of one value becomes fixed.

    loader: Hydra's, which expands globs. groups: the names of the config groups. Raises InputError
    for what cannot be searched.
    """
    parameters, fixed, settings = [], {}, []
    for key, override in parsed(arguments, loader).items():
        name, text = key_of(key), override.input_line
        if name == FOLD:
            raise InputError(f"{text}: folds are not searched; every trial is trained on all of "
                             f"them.\nFix: without {name}")  # fmt: skip
        if name in SEEDS:
            raise InputError(
                f"{text}: seeds are not searched; every trial is trained with the same ones, "
                "from 0 up.\nFix: search.seeds=8, without this"
            )
        if override.is_sweep_override() and name.split(".")[0] in GIVEN_ONCE:
            raise InputError(f"{text}: {name} applies to the whole search.\nFix: one value")
        is_group = override.key_or_group in groups
        if not (is_group or override.is_hydra_override() or key[0] in "+~" or "@" in key):
            settings.append(key)
        found = _parameter(override, key, is_group)
        if isinstance(found, Parameter):
            parameters.append(found)
        else:
            fixed[key] = f"{key}={found}"
    if not parameters:
        raise InputError(
            "There is nothing to search: no key has several values.\n"
            f"Allowed: {FORMS}\nFor example: 'optimizer.lr=tag(log, interval(1e-4, 1e-1))'"
        )
    return Space(tuple(parameters), fixed, tuple(settings))


def _parameter(override: Override, key: str, is_group: bool) -> Parameter | str:
    """The parameter of an override, or its only value as typed."""
    if not override.is_sweep_override():
        return override.get_value_element_as_str()
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(override, key, value)
    if isinstance(value, RangeSweep):
        return _range(override, key, value)
    if getattr(value, "tags", None):
        raise InputError(f"{override.input_line}: tags are for interval(…) and range(…).\n"
                         "Fix: without the tag")  # fmt: skip
    texts = override.sweep_string_iterator()
    # Duplicates are removed, 0.1 and 0.10 among them.
    choices = tuple(dict.fromkeys(texts if is_group else (one_text(key, text) for text in texts)))
    if not choices:
        raise InputError(f"{override.input_line}: {key} has no values.\nAllowed: {FORMS}")
    if len(choices) == 1:
        return choices[0]
    return Parameter(key, "choice", choices=choices, is_group=is_group)


def _is_log(override: Override, tags: set[str]) -> bool:
    unknown = sorted(tags - {"log"})
    if unknown:
        raise InputError(f"{override.input_line}: the tag {unknown[0]} has no meaning here.\n"
                         f"Allowed: log{nearest(unknown[0], ['log'])}")  # fmt: skip
    if not tags and "tag(" in str(override.input_line):
        # Hydra's int() and float() drop the tags of a range.
        raise InputError(f"{override.input_line}: the tag is lost inside int(…) or float(…).\n"
                         "Fix: the tag outside: tag(log, int(range(1,65)))")  # fmt: skip
    return bool(tags)


def _interval(override: Override, key: str, value: IntervalSweep) -> Parameter | str:
    low, high = value.start, value.end
    assert low is not None
    assert high is not None
    log = _is_log(override, value.tags)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"{override.input_line}: the low end is not below the high end, or one of "
                         f"them is not finite.\nFix: {key}=interval(low,high) with low < high"
                         )  # fmt: skip
    if isinstance(low, int) and isinstance(high, int):
        # To Hydra this means low <= value < high.
        return _numbers(override, key, "int", low, high - 1, 1, log)
    return _numbers(override, key, "float", low, high, None, log)


def _range(override: Override, key: str, value: RangeSweep) -> Parameter | str:
    """The numbers of Hydra's range, rising or falling, computed in decimals as typed."""
    log = _is_log(override, value.tags)
    start, step, count = range_of(override, value, f"Allowed: {FORMS}")
    is_whole = all(isinstance(end, int) for end in (value.start, value.stop, value.step))
    if count < 1:
        raise InputError(f"{override.input_line}: the range is empty; it ends before its stop, as "
                         f"in a grid.\nFix: {key}=range(low,high) with low < high")  # fmt: skip
    if count > LARGEST:
        raise InputError(f"{override.input_line}: the range has {count:,} values, more than "
                         f"{LARGEST:,}.\nFix: longer steps, or {key}=interval(low,high)"
                         )  # fmt: skip
    low, high = sorted((start, start + (count - 1) * step))
    if is_whole:
        return _numbers(override, key, "int", int(low), int(high), int(abs(step)), log)
    return _numbers(override, key, "float", float(low), float(high), float(abs(step)), log)


def _numbers(
    override: Override, key: str, kind: Kind, low: float, high: float, step: float | None, log: bool
) -> Parameter | str:
    found = Parameter(key, kind, low, high, step, log)
    if log and low <= 0:
        raise InputError(f"{override.input_line}: a log scale cannot contain {low:g}.\n"
                         "Fix: a low end above 0, or without tag(log, …)")  # fmt: skip
    if log and step is not None and (kind, step) != ("int", 1):
        raise InputError(
            f"{override.input_line}: a log scale has no steps of {step:g}.\n"
            f"Fix: {key}=tag(log, interval({low:g},{high:g})), or int(…) of it for whole numbers"
        )
    return found if low < high else found.typed(low)
