"""Reads a formula that a user types, such as abs(x) + 0.1*sin(5*x). Without torch.

It is parsed by Python's own parser, and nothing of it is ever run: `small_nets.data.formula` walks
the checked tree, and knows only the names and signs that `formula_words` lists.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from warnings import catch_warnings

from small_nets.config.errors import nearest
from small_nets.config.formula_words import (
    ALSO,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    NOT_KNOWN,
    OPERATORS,
    SIGNS,
    WRITTEN,
)

MOST_INPUTS = 10
LONGEST = 500  # characters
DEEPEST = 50  # expressions in one another
SHOWN = 30  # characters on each side of the place that a message marks
_CHARACTER = re.compile(r"[\w.+\-*/(),<>= ]", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INPUT = re.compile(r"x([1-9]\d?)?", re.ASCII)


class FormulaError(ValueError):
    """Why a text is no formula. place: of the character, from 0; None where it is the whole."""

    def __init__(self, why: str, place: int | None = None, near: str = "") -> None:
        super().__init__(why)
        self.place, self.near = place, near


@dataclass(frozen=True)
class Formula:
    """A checked formula: its tree has only what is listed. inputs: x is 1, x1 and x2 are 2."""

    text: str
    tree: ast.expr
    inputs: int


@lru_cache(256)
def parse(text: str) -> Formula:
    """Parse and check a formula. Raises FormulaError."""
    if len(text) > LONGEST:
        raise FormulaError(f"it has {len(text):,} characters, more than {LONGEST}")
    for place, mark in enumerate(text):
        if not _CHARACTER.match(mark):
            raise FormulaError(f"{mark!r} is not allowed here", place, _instead(mark))
    if not text.strip():
        raise FormulaError("it is empty")
    start = len(text) - len(text.lstrip())
    _refuse_open(text)
    try:
        with catch_warnings(action="ignore"):  # of texts that it reads all the same
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        place = min(start + max((error.offset or 1) - 1, 0), len(text) - 1)
        raise _unreadable(text, place) from None
    except (ValueError, RecursionError, MemoryError):  # for a hostile text
        raise FormulaError("it is too deep to be read") from None
    names: dict[str, int] = {}
    _check(tree, text, start, names, 1)
    return Formula(text.strip(), tree, _count(names))


def inputs_of(text: str) -> int:
    """The number of inputs of a checked formula."""
    return parse(text).inputs


def is_even(settings: Mapping[str, Any]) -> bool:
    """Whether the inputs of data=formula are evenly spaced. settings: those of the source."""
    spacing = settings["spacing"]
    return spacing == "even" or (spacing is None and inputs_of(settings["formula"]) == 1)


def is_formula(value: object) -> bool:
    """Whether a value is a text that `parse` takes."""
    return isinstance(value, str) and not why_not(value)


def why_not(value: object) -> str:
    """What is wrong with a formula, and where, as the end of a sentence; "" of a right one."""
    if not isinstance(value, str):
        return ": it is not a text"
    try:
        parse(value)
    except FormulaError as error:
        said = f": {error}"
        if error.place is not None:
            first = max(error.place - SHOWN, 0)
            part = value[first : error.place + SHOWN]
            part = "".join(mark if mark.isprintable() else " " for mark in part)
            said += f".\n  {part}\n  {' ' * (error.place - first)}^"
        return f"{said}{error.near}"
    return ""


def _instead(mark: str) -> str:
    return f"\nIt is written {WRITTEN[mark]}" if mark in WRITTEN else ""


def _refuse_open(text: str) -> None:
    """Raises FormulaError for a bracket without its other half, or for too many in one another."""
    opened: list[int] = []
    for place, mark in enumerate(text):
        if mark == "(":
            opened.append(place)
            if len(opened) > DEEPEST:
                raise FormulaError(f"it has more than {DEEPEST} brackets in brackets", place)
        elif mark == ")":
            if not opened:
                raise FormulaError("this ) closes nothing", place)
            opened.pop()
    if opened:
        raise FormulaError("this ( is not closed", opened[-1])


def _unreadable(text: str, place: int) -> FormulaError:
    """The error for a text that Python's parser refuses at a place."""
    product = re.search(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)()(?![eE][+-]?\d)\s*(?=[A-Za-z(])", text)
    product = product or re.search(r"[\w)]()\s+(?=[A-Za-z(]|\d)|\)()(?=\w)", text)
    if product is not None:
        left = text[: product.end()].strip()
        word = re.search(r"[A-Za-z_]\w*$", left)
        if word is not None and _INPUT.fullmatch(word[0]) is None and word[0] not in CONSTANTS:
            name, is_function = word[0], word[0] in FUNCTIONS
            why = f"{name} is a function: {name}(x)" if is_function else f"it knows no {name}"
            return FormulaError(why, word.start())
        return FormulaError("a product needs its sign, *", len(left))
    if re.search(r"(?<![<>=])=(?!=)", text):
        return FormulaError("= is not allowed here: only what y is equal to", text.index("="))
    if text.rstrip()[-1] in "+-*/<>,":
        return FormulaError("something is missing at its end", len(text.rstrip()) - 1)
    return FormulaError("it cannot be read from here on", place)


def _check(node: ast.expr, text: str, start: int, names: dict[str, int], depth: int) -> None:
    """Raises FormulaError for the first part that is not listed. names: those of inputs, found."""
    place = start + node.col_offset
    if depth > DEEPEST:
        raise FormulaError(f"it has more than {DEEPEST} expressions in one another", place)
    for part in _parts(node, text, start, names):
        _check(part, text, start, names, depth + 1)


def _parts(node: ast.expr, text: str, start: int, names: dict[str, int]) -> list[ast.expr]:
    """The parts of an expression that is allowed. Raises FormulaError for another one."""
    place = start + node.col_offset
    match node:
        case ast.BinOp(left, op, right) if isinstance(op, OPERATORS):
            return [left, right]
        case ast.UnaryOp(op, operand) if isinstance(op, SIGNS):
            return [operand]
        case ast.Compare(left, ops, others) if all(isinstance(o, COMPARISONS) for o in ops):
            return [left, *others]
        case ast.Constant():
            _check_number(text[place : start + (node.end_col_offset or 0)], place)
            return []
        case ast.Name(name):
            _check_name(name, place, names)
            return []
        case ast.Call(ast.Name(name) as called, arguments, keywords):
            end = start + (called.end_col_offset or 0)
            _check_call(text, name, len(arguments), (place, end), bool(keywords))
            return arguments
        case ast.Attribute(_, name) | ast.Call(ast.Attribute(_, name)):
            raise FormulaError("a name has no dot", place, nearest(name, FUNCTIONS))
        case ast.Call():
            end = start + (node.func.end_col_offset or 0)
            raise FormulaError("a product needs its sign, *", text.index("(", end))
    part = text[place : start + (node.end_col_offset or 0)]
    hint = NOT_KNOWN.get(type(node), "")
    raise FormulaError(f"{part} is not an expression that it knows", place, hint)


def _check_number(written: str, place: int) -> None:
    if not _NUMBER.fullmatch(written):
        raise FormulaError(f"{written} is not a decimal number", place)
    if float(written) == float("inf"):
        raise FormulaError(f"{written} is more than a float64 holds", place)


def _check_name(name: str, place: int, names: dict[str, int]) -> None:
    found = _INPUT.fullmatch(name)
    if found is None and name not in CONSTANTS:
        if name in FUNCTIONS:
            raise FormulaError(f"{name} is a function: {name}(x)", place)
        known = [*CONSTANTS, "x", "x1", "x2"]
        raise FormulaError(f"it knows no {name}", place, _near(name, known))
    if found is not None:
        if found[1] and int(found[1]) > MOST_INPUTS:
            raise FormulaError(f"{name} is more than {MOST_INPUTS} inputs", place)
        if names and (name == "x") != ("x" in names):
            both = f"{name} stands beside {next(iter(names))}"
            raise FormulaError(f"{both}: one input is x, several are x1, x2, …", place)
        names.setdefault(name, place)


def _check_call(text: str, name: str, count: int, ends: tuple[int, int], by_name: bool) -> None:
    """Raises FormulaError. ends: where the name begins, and where it has ended."""
    place, end = ends
    if name not in FUNCTIONS:
        if name in CONSTANTS or _INPUT.fullmatch(name):
            raise FormulaError("a product needs its sign, *", text.index("(", end))
        raise FormulaError(f"it knows no function {name}", place, _near(name, FUNCTIONS))
    fewest, most = FUNCTIONS[name]
    if by_name:
        raise FormulaError(f"{name} takes numbers without names", place)
    if not fewest <= count <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        plural = "" if most == 1 else "s"
        raise FormulaError(f"{name} takes {wanted} number{plural}, not {count}", place)


def _near(name: str, known: Any) -> str:
    small = name.lower()
    if small in ALSO and (ALSO[small] in known or not ALSO[small].isalnum()):
        return f"\nDid you mean {ALSO[small]}?"
    return nearest(small, known)


def _count(names: Mapping[str, int]) -> int:
    if not names:
        raise FormulaError("it has no x, so its target would be one number")
    return max(int(name[1:] or 1) for name in names)
