"""What a user did wrong, said so that it can be put right."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input. The message gives the value, what is allowed, and the fix."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A line that names the known word nearest to `word`, or "" where none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"\nDid you mean {found[0]}?" if found else ""


def unknown(what: str, word: str, known: Iterable[str], kind: str) -> InputError:
    """The error for a name that is not among the known ones."""
    names = sorted(known)
    return InputError(f"{what}\n{kind}: {', '.join(names)}{nearest(word, names)}")
