"""Which keys of a sweep matter, as the page draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from small_nets.page.numbers import number
from small_nets.sweep.results.importance import Refused, importance_of, left_out_text
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.standard import Standard

MOST = 12  # effects with a bar
MOST_NUMBERS = 200_000  # runs, beyond which it is said of the metric that the sweep is ranked by


def importances(
    rankings: Mapping[str, Sequence[Ranked]], standard: Standard
) -> dict[str, dict[str, Any]]:
    """Of each metric: the effects with their shares, that of chance, and what they are shares of.

    Or why it is not said. A metric of which there is nothing to say is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for metric, ranked in rankings.items():
        if metric != standard.metric and sum(r.n for r in ranked) > MOST_NUMBERS:
            continue
        mine = replace(standard, metric=metric)
        one = importance_of(ranked, mine)
        if isinstance(one, Refused):
            found[metric] = {"why": f"{one.why}."}
        elif one is not None:
            effects = [[name, number(e.share), e.is_told]
                       for name, e in zip(one.names, one.effects, strict=True)]  # fmt: skip
            found[metric] = {
                "effects": effects[:MOST], "more": len(effects) - len(effects[:MOST]),
                "chance": number(one.chance), "what": f"{one.scale}the {mine.text}",
                "is_rank": one.scale.startswith("the rank"), "seeds": one.seeds,
                "cells": one.cells, "left_out": left_out_text(one),
            }  # fmt: skip
    return found
