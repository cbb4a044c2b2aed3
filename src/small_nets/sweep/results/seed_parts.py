"""How much of the spread over seeds is the split, and how much is what `seed` draws besides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from small_nets.config.components import is_drawn
from small_nets.stats.crossed import components
from small_nets.stats.distributions import Array
from small_nets.stats.full_part import full_part
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.standard import Standard

FEWEST = 3  # seeds, and splits, of a setting
ROUGH = 20  # below, a share may be off by more than 15 points


@dataclass(frozen=True)
class SeedParts:
    """The shares of the split, of the seed, and of both together; they add up to 1.

    settings: over how many the variances are pooled, of `of`. seeds, splits: the most that one of
    them has. is_log: whether the variances are those of the logarithm.
    """

    split: float
    seed: float
    both: float
    settings: int
    of: int
    seeds: int
    splits: int
    is_log: bool


def seed_parts(ranked: Sequence[Ranked], is_high: bool) -> SeedParts | None:
    """The parts of the variance of the metric within a setting, pooled over settings.

    None where `seed` and `data.split_seed` are not crossed. Of a setting whose table of seeds and
    splits has gaps, runs that were lost among them, the full part counts. is_high: whether more of
    the metric is better; a loss above 0 is taken by its logarithm, for stuck seeds would be all.
    """
    known = [r for r in ranked if r.n and not r.stopped]
    tables = [table for r in known if (table := _table(r)) is not None]
    if not tables:
        return None
    is_log = not is_high and all((table > 0).all() for table in tables)
    found = components([np.log(table) if is_log else table for table in tables]).shares
    if found is None:
        return None
    seed, split, both = found
    seeds, splits = (max(table.shape[axis] for table in tables) for axis in (0, 1))
    return SeedParts(split, seed, both, len(tables), len(known), seeds, splits, is_log)


def _table(r: Ranked) -> Array | None:
    """The metric by seed and split, all of it finite; None where too few are crossed."""
    if any(len(key) != 2 for key in r.scores) or len(r.scores) != r.n:
        return None
    values = dict(zip(r.scores, r.values.tolist(), strict=True))
    rows, columns = (sorted({key[i] for key in values}, key=repr) for i in (0, 1))
    table = np.array([[values.get((row, column), np.nan) for column in columns] for row in rows])
    if table.ndim != 2 or min(table.shape) < FEWEST:
        return None
    table = table[np.ix_(*full_part(np.isfinite(table)))]
    return table if min(table.shape) >= FEWEST else None


def drawn_by_seed(config: Mapping[str, Any]) -> list[str]:
    """What `seed` draws besides the split."""
    drawn = [*(["the data"] if is_drawn(config["data"]) else []), "the initial weights"]
    return [*drawn, *(["the order of batches"] if config["data"]["batch_size"] is not None else [])]


def said_of_parts(
    ranked: Sequence[Ranked], standard: Standard, config: Mapping[str, Any]
) -> Iterator[str]:
    """The parts as one sentence. config: of a run."""
    found = seed_parts(ranked, standard.is_metric_high)
    if found is None:
        return
    drawn = drawn_by_seed(config)
    listed = ", ".join(drawn[:-1]) + (" and " if len(drawn) > 1 else "") + drawn[-1]
    what = f"the logarithm of {standard.metric}" if found.is_log else standard.metric
    many = f", pooled over {found.settings} settings" if found.settings > 1 else ""
    text = (f"Of the variance of {what} within a setting, {found.split:.0%} is the split, "
            f"{found.seed:.0%} what seed draws ({listed}) and {found.both:.0%} both together "
            f"({found.seeds} seeds by {found.splits} splits{many}")  # fmt: skip
    text += "; rough, for there are few)." if min(found.seeds, found.splits) < ROUGH else ")."
    if found.settings < found.of:
        text += (f" {found.of - found.settings} of {found.of} settings lack runs with a number, "
                 "and are left out.")  # fmt: skip
    yield text
