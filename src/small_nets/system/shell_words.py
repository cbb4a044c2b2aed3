"""Quotes the words of a command that can be pasted into bash or zsh."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from small_nets.system.printable import printable

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def quote(word: str) -> str:
    """Quote a word for bash and zsh, where it needs that."""
    if printable(word) != word or "\n" in word or "\t" in word:
        return "$'" + "".join(_ESCAPES.get(c) or _octal(c) for c in word) + "'"
    # In zsh a word that begins with = stands for the path of a command.
    return f"'{word}'" if word.startswith("=") and shlex.quote(word) == word else shlex.quote(word)


def join(words: Iterable[str]) -> str:
    """Quote words and join them to a command."""
    return " ".join(map(quote, words))


def quote_path(path: Path) -> str:
    """Quote a path as an argument. One that begins with - or ~ is written behind ./."""
    text = str(path)
    return quote(f"./{text}" if text.startswith(("-", "~")) else text)


def _octal(character: str) -> str:
    if printable(character) == character:
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
