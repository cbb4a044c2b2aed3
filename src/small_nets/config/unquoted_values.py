"""Puts quotes around values that Hydra's grammar would refuse, or read as something else.

It knows no < and no >, and takes the brackets of abs(x) for one of its own functions.
"""

import re
from itertools import accumulate

from small_nets.config.success_rule import read_rule

# Hydra's own functions that make a sweep of several values.
_SWEEPS = re.compile(r"(choice|shuffle|sort|tag|glob|range|interval)\s*\(")


def in_quotes(word: str) -> str:
    """An override of `success` or `data.formula` as Hydra's grammar can read it.

    Several formulas, with a comma between them, stay several: each gets quotes of its own. One
    with escapes, as Hydra hands on a value of choice(), loses these. What is in quotes, is an
    interpolation or a function of Hydra's stays as it is, and so do other words.
    """
    key, equals, value = word.partition("=")
    name, value = key.lstrip("+"), value.strip()
    if name == "success" and equals and read_rule(value) is not None:
        return f"{key}='{value}'"
    if name == "data.formula" and value and "${" not in value and not _SWEEPS.match(value):
        if "\\" in value and value[0] not in "\"'":
            plain = re.sub(r"\\(.)", r"\1", value)
            return f"{key}={_quoted(plain)}"
        return f"{key}={','.join(map(_quoted, _several(value)))}"
    return word


def _quoted(formula: str) -> str:
    formula = formula.strip()
    is_left = not formula or "'" in formula or '"' in formula or formula in ("null", "???")
    return formula if is_left else f"'{formula}'"


def _several(value: str) -> list[str]:
    """The formulas between which there are commas outside brackets and quotes."""
    hidden = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), value)
    depths = accumulate((mark == "(") - (mark == ")") for mark in hidden)
    cuts = [i for i, (mark, depth) in enumerate(zip(hidden, depths, strict=True))
            if mark == "," and depth <= 0]  # fmt: skip
    starts = [0, *(cut + 1 for cut in cuts)]
    return [value[a:b] for a, b in zip(starts, [*cuts, len(value)], strict=True)]
