"""Overrides as they are typed: `key=value`, `+key=value`, `~key`. Imports nothing of ours."""

from collections.abc import Iterable

# Sections of the config that one sweep has only once, and that change no number of a run.
SWEEP_ONLY = ("sweep", "search", "executor")


def key_of(override: str) -> str:
    """The key of an override: optimizer.lr of `+optimizer.lr=0.1`."""
    return override.lstrip("+~").partition("=")[0]


def own(overrides: Iterable[str]) -> list[str]:
    """Those of a run itself, without those of the sweep or the search around it."""
    return [o for o in overrides if key_of(o).partition(".")[0] not in SWEEP_ONLY]
