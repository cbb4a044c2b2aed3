"""Overrides as they are typed: `key=value`, `+key=value`, `~key`. Without importing Hydra."""

import re
from collections.abc import Iterable
from itertools import accumulate

from small_nets.config.errors import InputError

# Sections of the config with one value for a whole sweep. They change no number of a run.
SWEEP_ONLY = ("sweep", "search", "executor")
# Limits of an override. Hydra's parser takes a quarter of a millisecond for each value, and calls
# itself for each bracket. Python reads no whole number of more than 4,300 digits.
MOST_DIGITS = 1000
MOST_DEPTH = 20
MOST_VALUES = 10_000
SHOWN = 40  # characters of a value that a message repeats


def key_of(override: str) -> str:
    """The key of an override: that of `+optimizer.lr=0.1` is optimizer.lr."""
    return override.lstrip("+~").partition("=")[0]


def own(overrides: Iterable[str]) -> list[str]:
    """The overrides of a run itself, without those of the sweep, the search or the executor."""
    return [o for o in overrides if key_of(o).partition(".")[0] not in SWEEP_ONLY]


def refuse_endless(overrides: Iterable[str]) -> None:
    """Raises InputError for an override with too long a number, too many brackets or values."""
    for override in overrides:
        key, value = key_of(override), override.partition("=")[2]
        if len(value) < MOST_DEPTH:
            continue
        text = f"{key}={value[:SHOWN]}…"
        longest = max(map(len, re.findall(r"[\d_]+", value)), default=0)
        if longest > MOST_DIGITS:
            raise InputError(f"{text} has a number of {longest:,} digits, more than "
                             f"{MOST_DIGITS:,}.\nFix: fewer digits")  # fmt: skip
        brackets = re.findall(r"[\[\](){}]", value)
        depth = max(accumulate(1 if b in "[({" else -1 for b in brackets), default=0)
        if depth > MOST_DEPTH:
            raise InputError(f"{text} has brackets in brackets, {depth:,} deep, more than "
                             f"{MOST_DEPTH}.\nFix: fewer brackets")  # fmt: skip
        count = value.count(",") + 1
        if count > MOST_VALUES:
            raise InputError(
                f"{text} has {count:,} values, more than {MOST_VALUES:,} that are read one by one."
                f"\nFix: '{key}=range(…)', or several commands with one sweep.dir"
            )
