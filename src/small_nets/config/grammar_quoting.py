"""Quotes texts for Hydra's grammar, so that it reads them back unchanged."""

import re
from pathlib import Path

from small_nets.config.cast_value import read
from small_nets.system import shell_words

# Words and paths, which hold nothing that means something in the grammar.
PLAIN = re.compile(r"[\w./+-][\w./:@%+-]*( [\w./@%+-]+)*", re.ASCII)


def quote(text: str) -> str:
    """Put a text into single quotes where Hydra would read it as another value."""
    return text if PLAIN.fullmatch(text) and read(text) is text else in_quotes(text, "'")


def in_quotes(text: str, mark: str = '"') -> str:
    """Put a text into quotes, with escapes as Hydra's grammar has them."""
    # Hydra's QuotedString does the same, but takes long to import.
    escaped = re.sub(rf"(\\*)({mark}|\Z)", lambda m: 2 * m[1] + (f"\\{mark}" * bool(m[2])), text)
    return f"{mark}{escaped}{mark}"


def to_the_letter(text: str) -> str:
    """Quote a text so that Hydra and OmegaConf find no interpolation in it either."""
    if "${" not in text:
        return quote(text)
    # A backslash is an escape only in front of a quote, or of the ${ of an interpolation.
    escaped = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", text)
    return in_quotes(escaped, "'")


def override(key: str, value: object) -> str:
    """KEY=VALUE as it is typed in a shell, for a value that is taken to the letter."""
    # OmegaConf takes a lone ??? for a missing value.
    text = "./???" if isinstance(value, Path) and str(value) == "???" else str(value)
    return shell_words.quote(f"{key}={to_the_letter(text)}")
