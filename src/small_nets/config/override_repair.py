"""Repairs a text that Hydra's grammar refuses, by trying candidates for what was meant.

A candidate is offered only if the grammar can read it, and if the field of its key allows the
value. So a printed fix works as it stands.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import QuotedString

from small_nets.config import conf_files
from small_nets.config.grammar_quoting import in_quotes
from small_nets.config.override_values import read
from small_nets.config.schema import FIELDS
from small_nets.config.sections import ALL_GROUPS

FUNCTIONS = (
    *("choice", "range", "interval", "tag", "glob", "sort", "shuffle"),
    *("int", "float", "str", "bool"),
)
CLOSING = {"[": "]", "{": "}", "(": ")"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
SMART = str.maketrans("“”„«»‘’‚\u00a0", '"""""\'\'\' ')  # noqa: RUF001


def fix_of(text: str) -> str | None:
    """The first candidate that can be read and is allowed; None where there is none."""
    try:
        found = (c for c in dict.fromkeys(_candidates(text)) if c != text and is_allowed(c))
        return next(found, None)
    except RecursionError:  # a thousand brackets
        return None


def joined(words: Sequence[str], at: int) -> tuple[str, int, int] | None:
    """An override that the shell has split into several words, one of them at `at`.

    Returns its text, the place of its first word, and the place behind its last; None where there
    is no such override.
    """
    for first in (at, at - 1):
        for end in range(at + 1 if first < at else at + 2, min(len(words), at + 8) + 1):
            if first < 0 or end - first < 2:
                continue
            part = [word.strip() for word in words[first:end]]
            text = " ".join(part)
            plain = re.sub(r" ?= ?", "=", text, count=1)
            repaired = None if _open(plain) else fix_of(plain)
            for candidate in (plain, f"{part[0]}={' '.join(part[1:])}", repaired or ""):
                is_whole = "=" not in part[0] or part[0].endswith("=") or _open(part[0])
                if is_whole and _is_key(candidate) and is_allowed(candidate):
                    return candidate, first, end
    return None


def _open(text: str) -> bool:
    """Whether a bracket or a quote is left open."""
    return (
        any(text.count(a) > text.count(b) for a, b in CLOSING.items()) or text.count('"') % 2 == 1
    )


def _is_key(text: str) -> bool:
    key = text.partition("=")[0].lstrip("+~")
    return key in FIELDS or key in ALL_GROUPS


def is_allowed(text: str) -> bool:
    """Whether an override can be read, and its key's field allows its values."""
    override = read(text)
    if override is None or override.is_delete() or not text.isprintable():
        return override is not None and text.isprintable()
    if override.key_or_group in ALL_GROUPS:
        return not override.is_sweep_override() and str(override.value()) in conf_files.choices(
            override.key_or_group
        )
    field = FIELDS.get(override.key_or_group)
    if field is None:
        return True
    if override.is_discrete_sweep() and not override.is_choice_sweep():
        return True
    value: Any = override.value()
    values = value.list if override.is_choice_sweep() and hasattr(value, "list") else [value]
    plain = [_plain(value) for value in values]
    return override.is_interval_sweep() or all(_may_be(field.test, v) for v in plain)


def _may_be(test: Any, value: Any) -> bool:
    return (isinstance(value, str) and "${" in value) or bool(test(value))


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    return value


def _candidates(text: str) -> Iterator[str]:
    """Yield what a text may have meant, the likeliest first."""
    text = text.strip().translate(SMART)
    yield text
    sign, rest = re.match(r"([+~ ]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    sign = "~" if "~" in sign else "++" if sign.count("+") > 1 else "+" * sign.count("+")
    key, equals, value = rest.partition("=")
    if not equals:
        found = re.match(r"([\w./]+)\s*(?::=|:|\s)\s*(.+)", rest, re.DOTALL)
        if found is None:
            yield f"{sign}{rest}"
            return
        key, value = found[1], found[2]
    key = re.sub(r"\.{2,}", ".", key.strip().rstrip(":")).strip(".").removeprefix("--")
    value = value.strip().lstrip("=").strip()
    for form in _values(value):
        yield f"{sign}{key}={form}"


def _values(value: str) -> Iterator[str]:
    yield value
    if value.startswith("~/"):
        yield str(Path(value).expanduser())
    if re.match(r"[\"']?[A-Za-z]:\\", value):
        yield value.strip("\"'").replace("\\", "/")
    if DECIMAL_COMMA.fullmatch(value):
        yield value.replace(",", ".")
    yield re.sub(r"\s*;\s*", ",", value)
    if value[:1] == "(" and value[-1:] == ")":
        yield f"[{value[1:-1]}]"
    if value[:1] in "[{" or re.match(rf"({'|'.join(FUNCTIONS)})\s*\(", value):
        yield _Structure(value).text()
    if value.startswith("${"):
        yield value + "}"
    yield in_quotes(value.strip("\"'"))
    yield value.strip("[](){}\"' ,;")


class _Structure:
    """Reads a value with brackets leniently: it closes what is left open, and adds quotes."""

    def __init__(self, value: str) -> None:
        self.value, self.at = value, 0

    def text(self) -> str:
        """The repaired value."""
        return self._element("")

    def _element(self, stops: str) -> str:
        self._blanks()
        opening = self._peek()
        function = re.match(rf"({'|'.join(FUNCTIONS)})\s*\(", self.value[self.at :])
        if opening and opening in "[{":
            self.at += 1
            return opening + self._several(CLOSING[opening], opening == "{") + CLOSING[opening]
        if function is not None:
            self.at += function.end()
            return f"{function[1]}({self._several(')', False)})"
        return self._leaf(stops)

    def _several(self, closing: str, is_mapping: bool) -> str:
        found = []
        while self.at < len(self.value):
            self._blanks()
            if self._peek() == closing:
                self.at += 1
                break
            if self._peek() == ",":
                self.at += 1
                continue
            found.append(self._pair() if is_mapping else self._element(f",{closing}"))
            if self._peek() not in ("", ",", closing):
                self.at += 1  # skip a bracket that closes nothing
        return ",".join(element for element in found if element)

    def _pair(self) -> str:
        found = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[:=]", self.value[self.at :])
        if found is None:
            return self._leaf(",}")
        self.at += found.end()
        return f"{found[1]}: {self._element(',}')}"

    def _leaf(self, stops: str) -> str:
        start, depth = self.at, 0
        mark = self._peek()
        if mark and mark in "\"'":
            end = self.value.find(mark, self.at + 1)
            end = len(self.value) if end < 0 else end
            self.at = end + 1
            return in_quotes(self.value[start + 1 : end])
        while self.at < len(self.value):
            mark = self._peek()
            if mark == "(":
                depth += 1
            elif mark == ")" and depth:
                depth -= 1
            elif mark in stops and not depth:
                break
            self.at += 1
        leaf = self.value[start : self.at].strip()
        found = read(f"x=[{leaf}]")
        is_one = found is not None and len(found.value()) == 1  # type: ignore[arg-type]
        return leaf if is_one or not leaf else in_quotes(leaf)

    def _blanks(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _peek(self) -> str:
        return self.value[self.at : self.at + 1]
