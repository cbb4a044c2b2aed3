"""From sweep overrides to the override lists of all jobs: Hydra's grid, and its limits."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from src.errors import InputError
from src.values import check_value


def batches(
    arguments: Sequence[str], config_loader: Any, size: int | None, most: int
) -> Iterator[list[list[str]]]:
    """The override lists of the jobs, the last override varying fastest, `size` at a time.

    A key that is given twice counts once, as given last. Raises InputError for an empty grid,
    one of more than `most` jobs, or a range without end (`interval`).
    """
    if size is not None and size < 1:
        raise InputError(f"hydra.sweeper.max_batch_size={size} is not allowed.\n"
                         "Allowed: a whole number, 1 or more, or null")  # fmt: skip
    check_value("sweep.max_runs", most)
    parser = OverridesParser.create(config_loader=config_loader)
    lists: dict[str, list[str]] = {}
    for override in parser.parse_overrides(list(arguments)):
        key = override.get_key_element()
        lists[key] = [f"{key}={value}" for value in _values(override)]
    count = 1
    for key, values in lists.items():
        if not values:
            raise InputError(
                f"The grid is empty: {key} has no values.\nFor example: 'seed=range(10)'"
            )
        count *= len(values)
    if count > most:
        sizes = " x ".join(str(len(v)) for v in lists.values() if len(v) > 1)
        raise InputError(
            f"The grid has {count:,} runs ({sizes}), more than sweep.max_runs={most}.\n"
            f"Fix: a smaller grid, or sweep.max_runs={count}"
        )
    jobs = map(list, itertools.product(*lists.values()))
    while batch := list(itertools.islice(jobs, size or count)):
        yield batch


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        kind = override.value_type.name.lower() if override.value_type else "this"
        raise InputError(
            f"{override.input_line}: {kind} has no end of values, so there is no grid of it.\n"
            "Allowed: a,b,c  range(…)  choice(…)  glob(…)"
        )
    return list(override.sweep_string_iterator())
