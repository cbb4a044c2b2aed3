"""Which pure update rule a config's optimizer is, and which of its settings are numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from src.optim import rules
from src.optim.rules import Rule

# torch's SGD is two rules: without a velocity it keeps no state.
RULES: dict[str, Rule] = {
    "torch.optim.SGD": rules.sgd,
    "torch.optim.SGD momentum": rules.momentum,
    "torch.optim.Adagrad": rules.adagrad,
    "torch.optim.RMSprop": rules.rmsprop,
    "torch.optim.Adam": rules.adam,
    "torch.optim.AdamW": rules.adamw,
    "src.optim.by_hand.sgd": rules.sgd,
    "src.optim.by_hand.momentum": rules.momentum,
    "src.optim.by_hand.adagrad": rules.adagrad,
    "src.optim.by_hand.rmsprop": rules.rmsprop,
    "src.optim.by_hand.adam": rules.adam,
}
# What may differ from member to member.
NUMBERS = ("lr", "weight_decay", "momentum", "alpha", "eps", "lr_decay", "betas")
# A rule leaves these out where they are 0, for every member and not only for its neighbours.
NO_EFFECT_AT_ZERO = ("weight_decay", "lr_decay")


def find_rule(section: Mapping[str, Any]) -> Rule | None:
    """The rule of a config's optimizer, options bound; None for one that has no pure form."""
    name = str(section["_target_"])
    rule = RULES.get(f"{name} momentum" if "momentum" in section else name) or RULES.get(name)
    options = {k: v for k, v in section.items() if k not in NUMBERS and k != "_target_"}
    if rule is None or not options:
        return rule
    return replace(rule, update=partial(rule.update, **options))


def stack_settings(sections: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """The numbers of each member's optimizer: name -> (members,), or (members, 2) for betas."""
    return {
        name: torch.tensor([section[name] for section in sections], dtype=torch.float64)
        for name in NUMBERS
        if name in sections[0]
        and not (name in NO_EFFECT_AT_ZERO and not any(section[name] for section in sections))
    }
