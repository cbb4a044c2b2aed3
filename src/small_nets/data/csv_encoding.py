"""Decodes a CSV file from UTF-8. Another encoding is refused with the command that converts it."""

import codecs
import shlex
from pathlib import Path

from small_nets.config.errors import InputError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(path: Path, content: bytes, whole: bool = True) -> str:
    """The text of a file, without a byte order mark. Raises InputError where it is not UTF-8.

    whole: False if the content is only the start of the file, which may end inside a letter.
    """
    if content.startswith(UTF_16):
        raise _other(path, "its text is in UTF-16", "UTF-16")
    place = content.find(b"\0")
    if place >= 0:
        start = content[:1000]
        if place < len(start) and start.count(0) > len(start) // 3:  # a NUL beside each letter
            raise _other(path, "its text is in UTF-16", "UTF-16LE")
        raise no_table(path, f"line {_line(content, place)} holds a NUL byte, so it is not text")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content, final=whole)
    except UnicodeDecodeError as error:
        at = error.start
        letter = content[at : at + 1].decode("cp1252", "replace")
        what = (
            f"its text is not in UTF-8: line {_line(content, at)} has the byte "
            f"0x{content[at]:02x} ({letter!r} in latin-1)"
        )
        raise _other(path, what, "WINDOWS-1252") from error
    # Spreadsheets write a byte order mark, which does not belong to the first name.
    return text.removeprefix("\ufeff")


def no_table(path: Path, reason: str) -> InputError:
    """The error for a file that is not a table. reason: why not."""
    return InputError(f"{path} is not a table: {reason}.\nAllowed: a CSV or a Parquet file")


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def _other(path: Path, what: str, name: str) -> InputError:
    file = shlex.quote(str(path))
    convert = f"iconv -f {name} -t UTF-8"
    command = f"zcat {file} | {convert}" if path.suffix == ".gz" else f"{convert} {file}"
    return InputError(f"{path}: {what}.\nFix: {command} > new.csv")
