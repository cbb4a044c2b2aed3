"""Text for a terminal: control characters in names, labels and paths are shown, not executed."""

import sys
from collections.abc import Iterable


def _ranges(*pairs: tuple[int, int]) -> Iterable[int]:
    return (code for first, last in pairs for code in range(first, last + 1))


# Control characters (C0 except line feed and tab, DEL, C1), which move the cursor, colour or
# retitle; marks that change the direction of reading; line separators and invisible characters;
# and surrogates, which no terminal's encoding has.
_HIDDEN = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in _ranges(
        (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x200B, 0x200F),
        (0x2028, 0x202E), (0x2060, 0x2069), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF),
    )
}  # fmt: skip


def printable(text: str) -> str:
    """Escape each control character, as \\x1b or \\u202e. Line feeds and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(_HIDDEN)


def take_any_text() -> None:
    """Make stdout and stderr escape (\\u2192) what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
