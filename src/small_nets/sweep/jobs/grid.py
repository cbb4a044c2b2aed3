"""Expands sweep overrides into the override lists of all jobs, and limits their number."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from omegaconf import DictConfig

from small_nets.config.errors import InputError
from small_nets.config.folds import FOLD, FOLDS
from small_nets.config.multirun_keys import as_typed, refuse_mixtures
from small_nets.config.overrides import SWEEP_ONLY, key_of
from small_nets.config.schema import check_value
from small_nets.config.sweep_schema import MOST_RUNS
from small_nets.config.unquoted_values import in_quotes

SEEDS = ("seed", "data.split_seed")
IN_A_SETTING = (*SEEDS, FOLD)  # runs that differ only in these have one setting
# These keys have one value in a sweep.
GIVEN_ONCE = (*SWEEP_ONLY, "engine", "pictures", "print", "success", "rank_by")


def batches(
    arguments: Sequence[str], config_loader: Any, size: int | None, most: int
) -> Iterator[list[list[str]]]:
    """Yield the override lists of the jobs, `size` at a time (None: all at once).

    The last override varies fastest. Raises InputError for an empty grid, for one of more than
    `most` jobs, and for a range without end (`interval`).
    """
    if size is not None and size < 1:
        raise InputError(f"hydra.sweeper.max_batch_size={size} is not allowed.\n"
                         "Allowed: a whole number, 1 or more, or null")  # fmt: skip
    most = check_value("sweep.max_runs", most)
    last = parsed(arguments, config_loader)
    counts = {key: _count(override) for key, override in last.items()}
    empty = next((key for key, count in counts.items() if count == 0), None)
    if empty is not None:
        raise InputError(
            f"The grid is empty: {empty} has no values.\nFor example: 'seed=range(10)'"
        )
    count = math.prod(counts.values())
    if count > most:
        sizes = " x ".join(str(n) for n in counts.values() if n > 1)
        raise InputError(
            f"The grid has {count:,} runs ({sizes}), more than sweep.max_runs={most}.\n"
            f"Fix: a smaller grid" + (f", or sweep.max_runs={count}" if count <= MOST_RUNS else "")
        )
    lists = [[in_quotes(f"{key}={value}") for value in _values(o)] for key, o in last.items()]
    count = math.prod(map(len, lists))  # Hydra adds floats, and may reach one value more
    jobs = map(list, itertools.product(*lists))
    while batch := list(itertools.islice(jobs, size or count)):
        yield batch


def folds_of(arguments: Sequence[str], master: DictConfig) -> int | None:
    """The number of folds of all jobs of a multirun; None without cross-validation.

    master: what all jobs share. Raises InputError for several numbers.
    """
    typed = [as_typed(o).partition("=")[2] for o in arguments if key_of(o) == FOLDS]
    if not typed:
        data = master.get("data")
        found = data.get("folds") if isinstance(data, DictConfig) else None
    elif re.fullmatch(r"null|\d{1,9}", typed[-1]):
        found = None if typed[-1] == "null" else int(typed[-1])
    else:
        raise InputError(f"{FOLDS}={typed[-1]}: a sweep has one number of folds, and takes every "
                         f"fold of it.\nFix: {FOLDS}=5")  # fmt: skip
    return check_value(FOLDS, found)


def with_folds(arguments: Sequence[str], master: DictConfig) -> list[str]:
    """The overrides of a multirun, with an axis of all folds where none is typed.

    master: what all jobs share. Raises InputError.
    """
    count = folds_of(arguments, master)
    if count is None or any(key_of(o) == FOLD for o in arguments):
        return list(arguments)
    return [*arguments, f"{FOLD}=range({count})"]


def parsed(arguments: Sequence[str], config_loader: Any) -> dict[str, Override]:
    """Key -> override of a multirun. Of a key that is given twice the last override counts.

    config_loader: Hydra's, which expands globs. Raises InputError.
    """
    refuse_mixtures(arguments, multirun=True)
    parser = OverridesParser.create(config_loader=config_loader)
    return {o.get_key_element(): o for o in parser.parse_overrides(list(map(in_quotes, arguments)))}


def range_of(override: Override, value: RangeSweep, hint: str) -> tuple[Decimal, Decimal, int]:
    """The first number of a range, its step, and the count of its numbers.

    The numbers are decimals, as typed. The count is 0 or less for an empty range. hint: the end of
    the message. Raises InputError for a range without end.
    """
    ends = (value.start, value.stop, value.step)
    if not all(end is not None and math.isfinite(end) for end in ends) or value.step == 0:
        raise InputError(f"{override.input_line}: a range has finite ends, and steps other than 0."
                         f"\n{hint}")  # fmt: skip
    start, stop, step = (Decimal(str(end)) for end in ends)
    return start, step, math.ceil((stop - start) / step)


def _count(override: Override) -> int:
    """The number of values of an override, without expanding a range. Raises InputError."""
    if not override.is_sweep_override():
        return 1
    if not override.is_discrete_sweep():
        kind = override.value_type.name.lower() if override.value_type else "this"
        raise InputError(
            f"{override.input_line}: {kind} has infinitely many values, so it makes no grid.\n"
            "Allowed: a,b,c  range(…)  choice(…)  glob(…)"
        )
    value = override.value()
    if not isinstance(value, RangeSweep):
        return sum(1 for _ in override.sweep_iterator())
    hint = "For example: 'seed=range(10)', 'optimizer.lr=range(0.1,1,0.1)'"
    return max(range_of(override, value, hint)[2], 0)


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    return list(override.sweep_string_iterator())
