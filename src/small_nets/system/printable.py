"""Text for a terminal: what a name, a label or a path holds is shown, and does nothing there."""

import sys
from collections.abc import Iterable


def _ranges(*pairs: tuple[int, int]) -> Iterable[int]:
    return (code for first, last in pairs for code in range(first, last + 1))


# What moves the cursor, colours, rings, retitles (C0 but for line feed and tab, DEL, C1), turns
# the direction of reading (bidi marks, embeddings, overrides, isolates), parts lines or hides, and
# half characters, which no terminal's encoding has.
_HIDDEN = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in _ranges(
        (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x200B, 0x200F),
        (0x2028, 0x202E), (0x2060, 0x2069), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF),
    )
}  # fmt: skip


def printable(text: str) -> str:
    """The text with each control character as \\x1b or \\u202e; line feeds and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(_HIDDEN)


def take_any_text() -> None:
    """stdout and stderr show what their encoding does not have as \\u2192, and do not fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
