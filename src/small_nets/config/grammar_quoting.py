"""Texts as Hydra's grammar reads them back: in quotes where they would become another value."""

import re
from pathlib import Path

from small_nets.config.cast_value import read
from small_nets.system import shell_words

# Words and paths, which hold nothing that the grammar has a use for.
PLAIN = re.compile(r"[\w./+-][\w./:@%+-]*( [\w./@%+-]+)*", re.ASCII)


def quote(text: str) -> str:
    """The text itself, or in single quotes."""
    return text if PLAIN.fullmatch(text) and read(text) is text else in_quotes(text, "'")


def in_quotes(text: str, mark: str = '"') -> str:
    # As Hydra's QuotedString, which those who only look at a run need not import.
    escaped = re.sub(rf"(\\*)({mark}|\Z)", lambda m: 2 * m[1] + (f"\\{mark}" * bool(m[2])), text)
    return f"{mark}{escaped}{mark}"


def to_the_letter(text: str) -> str:
    """A text in which Hydra and OmegaConf find no interpolation either."""
    if "${" not in text:
        return quote(text)
    # A backslash counts only in front of a quote, or of ${, which would begin an interpolation.
    escaped = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", text)
    return in_quotes(escaped, "'")


def override(key: str, value: object) -> str:
    """KEY=VALUE as it is typed in a shell, for a text that is to be taken to the letter."""
    text = "./???" if isinstance(value, Path) and str(value) == "???" else str(value)
    # ??? alone is what OmegaConf calls missing.
    return shell_words.quote(f"{key}={to_the_letter(text)}")
