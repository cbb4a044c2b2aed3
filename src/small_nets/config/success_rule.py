"""Reads what a run must reach to have succeeded: `val/loss<0.001`. Without torch."""

import math
import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_RULE = re.compile(r"\s*([^<>=\s]+)\s*(<=|>=|<|>)\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*")
SUMMARIES = ("median", "mean", "success")
_QUANTILE = re.compile(r"quantile:(0?\.\d+)")


@dataclass(frozen=True)
class Rule:
    """A run succeeds where `metric sign bound` holds at its end. sign: one of SIGNS."""

    metric: str
    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a value of the metric succeeds."""
        return bool(self.compare(value, self.bound))

    def compare(self, value: Any, bound: Any) -> Any:
        """`value sign bound`, elementwise for arrays and polars expressions."""
        return SIGNS[self.sign](value, bound)

    def among(self, names: Collection[str]) -> "Rule":
        """The same of the training split, where no rows are held out and it is of validation."""
        split, _, name = self.metric.partition("/")
        other = f"train/{name}"
        if split == "val" and self.metric not in names and other in names:
            return replace(self, metric=other)
        return self

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound:g}"


BELOW = Rule("", "<", 0.0)  # the sign of the constant predictor's rule


def read_rule(text: object) -> Rule | None:
    """The rule that a text states; None for any other text."""
    found = _RULE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        bound = float(found[3])
    except ValueError:
        return None
    return Rule(found[1], found[2], bound) if math.isfinite(bound) else None


def quantile_of(by: str) -> float | None:
    """The quantile that `quantile:0.9` names; None for another summary."""
    found = _QUANTILE.fullmatch(by)
    share = float(found[1]) if found else 0.0
    return share if 0 < share < 1 else None


def is_summary(value: object) -> bool:
    """Whether settings can be ranked by it: median, mean, success or quantile:Q."""
    return isinstance(value, str) and (value in SUMMARIES or quantile_of(value) is not None)
