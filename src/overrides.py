"""Overrides as they are typed: `key=value`, `+key=value`, `~key`. Imports nothing of ours."""

# Sections of the config that one sweep has only once, and that change no number of a run.
SWEEP_ONLY = ("sweep", "executor")


def key_of(override: str) -> str:
    """The key of an override: optimizer.lr of `+optimizer.lr=0.1`."""
    return override.lstrip("+~").partition("=")[0]
