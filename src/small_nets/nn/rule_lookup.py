"""Finds the pure update rule of a config's optimizer, and the numbers that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from small_nets.config.components import OPTIMIZERS, RULES
from small_nets.config.schema import show
from small_nets.nn import update_rules
from small_nets.nn.update_rules import UpdateRule

# Keys whose values may differ between members.
NUMBERS = {k for takes in RULES.values() for k, v in takes.items() if not isinstance(v, bool)}
# A rule has no term for these where they are 0. So members with 0 and with other values differ in
# their program.
NO_EFFECT_AT_ZERO = ("weight_decay", "lr_decay")


def why_alone(section: Mapping[str, Any]) -> str | None:
    """Why a config's optimizer has no pure update rule; None where it has one."""
    name = str(section["_target_"])
    facts = OPTIMIZERS[name]
    if facts.rule is None:
        return f"{facts.where} has no update rule in src/small_nets/nn/update_rules.py"
    if section.keys() == _spelled(name, "momentum" in section).keys():
        return None  # the usual case, tested first: a sweep may have a million runs
    others = [key for key in section if key not in _spelled(name, True)]
    set_ = [f"optimizer.{k}={show(section[k])}" for k in others if section[k] != facts.takes[k]]
    if not set_:
        return None
    return (
        f"{', '.join(set_)}: the update rule of {facts.where} in "
        "src/small_nets/nn/update_rules.py has no such term"
    )


def rule_of(name: str, has_momentum: bool) -> str:
    """The name of an optimizer's update rule. has_momentum: whether its section has the key."""
    facts = OPTIMIZERS[name]
    return str((has_momentum and facts.with_momentum) or facts.rule)


@cache
def _spelled(name: str, has_momentum: bool) -> dict[str, Any]:
    """The keys that the rule of an optimizer takes, with the optimizer's defaults."""
    takes = OPTIMIZERS[name].takes
    return {"_target_": name} | {key: takes[key] for key in RULES[rule_of(name, has_momentum)]}


def spelled_out(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config's optimizer with all keys that its rule takes, and no others.

    So sections with the same meaning share a program.
    """
    whole = _spelled(str(section["_target_"]), "momentum" in section)
    if section.keys() == whole.keys():
        return section
    return {key: section.get(key, value) for key, value in whole.items()}


def without_numbers(section: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config's optimizer that determines the array program.

    Whether it has weight decay or lr decay belongs to it.
    """
    return {
        key: bool(value) if key in NO_EFFECT_AT_ZERO else value
        for key, value in spelled_out(section).items()
        if key not in NUMBERS or key in NO_EFFECT_AT_ZERO
    }


def find_rule(section: Mapping[str, Any]) -> UpdateRule | None:
    """The update rule of a config's optimizer, with its options bound; None where it has none."""
    if why_alone(section) is not None:
        return None
    section = spelled_out(section)
    rule: UpdateRule = getattr(
        update_rules, rule_of(str(section["_target_"]), "momentum" in section)
    )
    options = {k: v for k, v in section.items() if k not in NUMBERS and k != "_target_"}
    return replace(rule, update=partial(rule.update, **options)) if options else rule


def stack_settings(sections: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """The numbers of the members' optimizers: name -> (members,), or (members, 2) for betas."""
    sections = [spelled_out(section) for section in sections]
    return {
        name: torch.tensor([section[name] for section in sections], dtype=torch.float64)
        for name in sections[0]
        if name in NUMBERS
        and not (name in NO_EFFECT_AT_ZERO and not any(section[name] for section in sections))
    }
