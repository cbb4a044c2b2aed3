"""Words of a command to be pasted into bash or zsh."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from small_nets.system.printable import printable

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def quote(word: str) -> str:
    """A word as it is typed in bash or zsh."""
    if printable(word) != word or "\n" in word or "\t" in word:
        return "$'" + "".join(_ESCAPES.get(c) or _octal(c) for c in word) + "'"
    # zsh looks for a command behind a first =.
    return f"'{word}'" if word.startswith("=") and shlex.quote(word) == word else shlex.quote(word)


def join(words: Iterable[str]) -> str:
    """A command as it is typed."""
    return " ".join(map(quote, words))


def quote_path(path: Path) -> str:
    """A path as an argument of a command of its own: no option, and no home."""
    text = str(path)
    return quote(f"./{text}" if text.startswith(("-", "~")) else text)


def _octal(character: str) -> str:
    if printable(character) == character:
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
