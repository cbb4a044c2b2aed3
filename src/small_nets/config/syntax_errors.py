"""Errors for an override that Hydra's grammar cannot read: the place is marked, a fix offered."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import Any

from antlr4 import CommonTokenStream, InputStream
from antlr4.error.ErrorListener import ErrorListener
from antlr4.error.Errors import LexerNoViableAltException
from hydra.core.override_parser.overrides_parser import (
    OverrideLexer,
    OverrideParser,
    OverridesParser,
)
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep, Sweep

from small_nets.config import conf_files
from small_nets.config.errors import InputError, nearest
from small_nets.config.override_repair import CLOSING, fix_of, joined
from small_nets.config.override_values import REFUSED, read
from small_nets.config.schema import FIELDS
from small_nets.config.sections import GROUPS
from small_nets.system.shell_words import quote

FEW = 50  # values that a fix lists one by one
WIDTH = 40  # characters that are shown on each side of the place
QUOTED = (
    "quotes around brackets, braces and blanks: 'model.width=[5,5]', 'early_stop={patience: 10}'"
)


class _Stopped(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at, self.why = at, why


class _First(ErrorListener):
    """Raises _Stopped at the first place that the grammar refuses."""

    def syntaxError(  # noqa: N802, the name is antlr's
        self, recognizer: object, offendingSymbol: object, line: int, column: int,  # noqa: N803
        msg: str, e: object,
    ) -> None:  # fmt: skip
        if isinstance(e, LexerNoViableAltException):
            raise _Stopped(e.startIndex, "character")
        start = getattr(offendingSymbol, "start", column)
        raise _Stopped(start, "end" if getattr(offendingSymbol, "type", 0) == -1 else "token")


def refused_at(text: str) -> tuple[int, str]:
    """The place in an override, from 0, at which it cannot be read, and why not.

    The reason is "character", "token", "end" or "key", or a message about a function's arguments.
    """
    lexer = OverrideLexer(InputStream(text))
    parser = OverrideParser(CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(_First())
    try:
        parser.override()
        OverridesParser.create().parse_override(text)
    except _Stopped as found:
        # A bracket's token begins with the blanks before it.
        rest = text[found.at :]
        return found.at + (len(rest) - len(rest.lstrip()) if found.why == "token" else 0), found.why
    except REFUSED as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        evaluated = re.match(r"\w+ while evaluating '.*': (.+)", said)
        return text.find("=") + 1, evaluated[1] if evaluated else said
    return 0, "key"


def refuse_unreadable(words: Sequence[str]) -> None:
    """Raises InputError for the first override that cannot be read or carried out."""
    for place, word in enumerate(words):
        override = read(word)
        if override is None:
            raise unreadable(words, place)
        _refuse_nested(override)


def _refuse_nested(override: Override) -> None:
    """Raises InputError for a range among several values, which Hydra parses but cannot sweep."""
    found = override.value()
    values = found.list if isinstance(found, ChoiceSweep) else []
    if not any(isinstance(value, Sweep) for value in values):
        return
    texts = dict.fromkeys(text for value in values for text in _few(value))
    fix = quote(f"{override.get_key_element()}={','.join(texts)}")
    raise InputError(
        f"{override.input_line}: a range, an interval or a choice stands alone, not among other "
        f"values.\nFix: {f'{fix}, or ' if len(texts) < FEW else ''}one of them alone"
    )


def _few(value: Any) -> list[str]:
    """The values that one of several items stands for, as typed; at most FEW of a range."""
    if isinstance(value, ChoiceSweep):
        return [text for item in value.list for text in _few(item)]
    if isinstance(value, RangeSweep) and value.step:
        # Rounded as one would type it: steps of 0.1 lead to 0.3, not to 0.30000000000000004.
        return [f"{number:.12g}" for number in islice(value.range(), FEW)]
    if isinstance(value, Sweep):
        return list(map(str, range(FEW)))
    return [Override._get_value_element_as_str(value)]


def unreadable(words: Sequence[str], place: int) -> InputError:
    """The error for the word at a place, which cannot be read."""
    text = words[place]
    at, why = refused_at(text)
    before, shown = _visible(text[:at])[-WIDTH:], _visible(text)
    first = max(len(_visible(text[:at])) - WIDTH, 0)
    shown = shown[first : first + 2 * WIDTH]
    lines = [f"'{shown}' cannot be read as key=value: {_reason(text, at, why)}.",
             f"  {shown}", f"  {' ' * sum(map(_columns, before))}^"]  # fmt: skip
    cut = joined(words, place)
    fix = cut[0] if cut is not None else _bare(text) or fix_of(text)
    if cut is not None:
        lines.append(f"The shell has made {cut[2] - cut[1]} words of it.")
    key = text.partition("=")[0].strip().lstrip("+~-")
    if fix is not None:
        lines.append(f"Fix: {quote(fix)}")
    elif key in FIELDS:
        lines.append(f"For example: {key}={FIELDS[key].example}")
    else:
        near = nearest(key, [*FIELDS, *GROUPS]) if key else ""
        lines.append(f"Fix: no blanks around =, and {QUOTED}{near}")
    return InputError("\n".join(lines))


def _visible(text: str) -> str:
    """The text with one printed character for each, so that the mark stands in the right place."""
    return "".join(
        c if c.isprintable() else chr(0x2400 + ord(c)) if ord(c) < 32 else "\ufffd" for c in text
    )


def _columns(character: str) -> int:
    """The columns of a terminal that a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _reason(text: str, at: int, why: str) -> str:
    is_key = at < text.find("=") or "=" not in text
    mark = _visible(text[at : at + 1])
    if why not in ("character", "token", "end", "key"):
        return why if len(why) < 100 else f"{why[:100]}…"
    if why == "key":
        return "there is no key in front of ="
    if "=" not in text and not text.startswith("~"):
        return "it has no ="
    if why == "end" or not mark:
        missing = _missing(text)
        return f"{missing} is missing at the end" if missing else "it ends too early"
    if mark in "\"'" and why == "character":
        return f"the quote {mark} is not closed"
    if is_key:
        return "there is a blank in the key" if text[at].isspace() else f"a key has no {mark}"
    return f"{mark} has to stand in quotes" if why == "character" else f"{mark} does not fit here"


def _missing(text: str) -> str:
    """The closing brackets that are missing, the innermost first."""
    left: list[str] = []
    for mark in text:
        if mark in CLOSING:
            left.append(CLOSING[mark])
        elif left and mark == left[-1]:
            left.pop()
    text = "".join(reversed(left))
    return text if len(text) < 10 else f"{text[:10]}…"


def _bare(text: str) -> str | None:
    """The override that a word without = stands for: the name of an experiment or a choice."""
    word = text.strip().lstrip("+")
    if word in conf_files.experiments():
        return f"+experiment={word}"
    return next((f"{g}={word}" for g in GROUPS if word in conf_files.choices(g)), None)
