"""Errors of the user's input, with messages that say how to correct them."""

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from small_nets.system.printable import printable
from small_nets.system.signals import exit_code, was_interrupted

LONGEST = 300  # characters of a file's name that a message repeats


class InputError(Exception):
    """Bad input. The message gives the value, what is allowed, and the fix."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The line "Did you mean …?" with the known word nearest to `word`; "" where none is near.

    Words are near that are spelled alike, that are the last part of a path (lr of optimizer.lr),
    or that are initials (lr of learning_rate).
    """
    names = list(known)
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    last = word.rpartition(".")[2]
    short = "".join(part[:1] for part in last.split("_"))
    parts = {name.rpartition(".")[2]: name for name in reversed(names)}
    found += [parts[w] for w in (last, short) if w in parts]
    found += [parts[w] for w in difflib.get_close_matches(last, list(parts), n=1, cutoff=0.6)]
    return f"\nDid you mean {found[0]}?" if found else ""


def unknown(
    what: str, word: str, known: Iterable[str], kind: str, also: Iterable[str] = ()
) -> InputError:
    """The error for a name that is not known.

    what: the first line. kind: introduces the list of known names. also: names that are not
    listed, but may be meant.
    """
    names = sorted(known)
    return InputError(f"{what}\n{kind}: {', '.join(names)}{nearest(word, [*names, *also])}")


def words_of(error: OSError) -> str:
    """The system's message, with the name of the file where it has one."""
    name = str(error.filename or "").partition("\n")[0]
    name = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    return f"{name}: {error.strerror or error}" if name else str(error.strerror or error)


def say_error(message: object) -> None:
    """Print a message on stderr."""
    print(f"Error: {printable(str(message))}", file=sys.stderr)


@contextmanager
def answered() -> Iterator[None]:
    """Within the block, InputError and OSError become a message on stderr and exit code 2.

    HYDRA_FULL_ERROR=1 in the environment keeps the traceback.
    """
    try:
        yield
        if was_interrupted():  # too late to stop anything: all is written
            raise SystemExit(exit_code())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(exit_code()) from None
    except (InputError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        say_error(words_of(error) if isinstance(error, OSError) else error)
        raise SystemExit(2) from None
