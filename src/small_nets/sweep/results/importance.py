"""Which swept keys matter: the shares of each, and of each pair, in the variance of the settings.

Exact over a full grid. The logarithm is taken of what settings are compared by, where all of it is
above 0 and less is better: a loss ten times as large counts the same wherever it begins. Where a
setting is worse than any number its ranks are taken, which place it last; no number could stand
for it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from small_nets.stats.distributions import Array
from small_nets.stats.full_part import full_part
from small_nets.stats.functional_anova import Effect, importance
from small_nets.stats.intervals import FEWEST
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.columns import cell

FEWEST_DRAWS, MOST_DRAWS = 50, 200  # of the bootstrap
DRAWN = 5_000_000  # numbers that are drawn, if that makes no fewer draws
LISTED = 5  # effects in a sentence
TIMES = " \u00d7 "
SMALL = 0.005  # shares below it are said as 0 %
Transform = Callable[[Array], Array]


@dataclass(frozen=True)
class Importance:
    """What each key, and each pair, does to the number that settings are compared by.

    names: of each effect. scale: "the logarithm of ", "the rank by ", or "". seeds: under how many
    the settings are compared, 0 where none was swept. chance: the share that the seeds explain;
    None where too few say it. cells: how many settings. left_out: values of keys whose settings are
    not all there.
    """

    names: tuple[str, ...]
    effects: tuple[Effect, ...]
    chance: float | None
    scale: str
    seeds: int
    cells: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why no importance is said, as a sentence."""

    why: str


def importance_of(ranked: Sequence[Ranked], standard: Standard) -> Importance | Refused | None:
    """The importance of each swept key; None where fewer than two keys were swept."""
    # A setting that cannot be trained is no outcome of its keys: its cells are empty.
    known = [r for r in ranked if r.n and not r.stopped and r.failed < len(r.jobs)]
    levels = {key: list(dict.fromkeys(r.setting[key] for r in ranked))
              for key in (ranked[0].setting if ranked else ())}  # fmt: skip
    levels = {key: found for key, found in levels.items() if len(found) > 1}
    if len(levels) < 2 or standard.by == "bound":
        return None
    place = [{value: i for i, value in enumerate(values)} for values in levels.values()]
    shape = tuple(map(len, place))
    if np.prod(shape, dtype=float) > 4 * len(ranked):  # most of such a table is empty
        return Refused("What matters is not said: the settings are no grid of their keys")
    table: NDArray[np.intp] = np.full(shape, -1)
    for i, r in enumerate(known):
        table[tuple(at[r.setting[key]] for at, key in zip(place, levels, strict=True))] = i
    left = full_part(table >= 0)
    table = table[np.ix_(*left)]
    if table.size * 2 < len(ranked):
        return Refused("What matters is not said: of the grid of settings too few have an end")
    gone = [f"{key}={cell(value)}" for (key, values), mine in zip(levels.items(), left, strict=True)
            for i, value in enumerate(values) if i not in mine]  # fmt: skip
    names = [key for key, mine in zip(levels, left, strict=True) if len(mine) > 1]
    table = table.squeeze()
    if len(names) < 2:
        return Refused(
            "What matters is not said: the full part of the grid has fewer than two keys"
        )
    return _of_grid([known[i] for i in table.ravel()], table.shape, names, gone, standard)


def _of_grid(
    cells: Sequence[Ranked], shape: tuple[int, ...], names: Sequence[str], gone: Sequence[str],
    standard: Standard,
) -> Importance | Refused | None:  # fmt: skip
    """cells: the settings in the order of the grid."""
    seeds = sorted(set.intersection(*(set(r.scores) for r in cells)), key=repr)
    if not seeds and any(r.scores for r in cells):
        return Refused("What matters is not said: the settings share no seed")
    if not seeds:
        values = np.array([[r.worth] for r in cells])
    else:
        scores = np.array([[r.scores[s] for s in seeds] for r in cells])
        is_success = standard.by == "success"
        values = 1 - scores if is_success else -scores if standard.is_metric_high else scores
    if np.isnan(values).any():
        return None
    worths = standard.worths(values)
    drawn = None
    if (levels := _levels(seeds)) >= FEWEST:
        draws = int(np.clip(DRAWN // values.size, FEWEST_DRAWS, MOST_DRAWS))
        drawn = np.stack([standard.worths(values[:, some]) for some in _samples(seeds, draws)])
    every = worths if drawn is None else np.append(drawn, worths)
    scale, transform = _scale(every, standard)
    worths = transform(worths).reshape(shape)
    if drawn is not None:
        drawn = np.stack([transform(one) for one in drawn]).reshape(-1, *shape)
    found = importance(worths, drawn, levels)
    if found is None:
        return None
    said = tuple(TIMES.join(names[a] for a in e.axes) or "three or more keys together"
                 for e in found.effects)  # fmt: skip
    return Importance(said, found.effects, found.chance, scale, len(seeds), len(cells), tuple(gone))


def _scale(every: Array, standard: Standard) -> tuple[str, Transform]:
    if not np.isfinite(every).all():
        return "the rank by ", _ranks
    if (every > 0).all() and not standard.is_high:
        return "the logarithm of ", np.log
    return "", lambda values: values


def _ranks(values: Array) -> Array:
    """1 for the least; ties have the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[place]


def _levels(seeds: Sequence[tuple[object, ...]]) -> int:
    """How many draws of chance there are: the fewer of seeds and splits where both were swept."""
    return min((len(set(column)) for column in zip(*seeds, strict=True) if len(set(column)) > 1),
               default=min(len(seeds), 1))  # fmt: skip


def _samples(seeds: Sequence[tuple[object, ...]], draws: int) -> Iterator[NDArray[np.intp]]:
    """Places of seeds drawn with replacement; where two kinds are crossed, of each kind by itself.

    Runs of one split are no independent draws (Owen, The pigeonhole bootstrap, 2007).
    """
    random = np.random.default_rng(0)
    columns = [sorted(set(column), key=repr) for column in zip(*seeds, strict=True)]
    place = {seed: i for i, seed in enumerate(seeds)}
    is_crossed = np.prod([len(column) for column in columns]) == len(seeds)
    for _ in range(draws):
        if not is_crossed:
            yield random.integers(len(seeds), size=len(seeds))
            continue
        drawn = [[column[i] for i in random.integers(len(column), size=len(column))]
                 for column in columns]  # fmt: skip
        pairs = [(s,) for s in drawn[0]]
        for more in drawn[1:]:
            pairs = [(*pair, s) for pair in pairs for s in more]
        yield np.array([place[pair] for pair in pairs])


def said_of_importance(ranked: Sequence[Ranked], standard: Standard) -> Iterator[str]:
    """What matters, as one sentence, and what was left out."""
    found = importance_of(ranked, standard)
    if isinstance(found, Refused):
        yield f"{found.why}."
    if not isinstance(found, Importance):
        return
    what = f"{found.scale}the {standard.text}" if found.scale else f"the {standard.text}"
    listed = [(name, e.share) for name, e in zip(found.names, found.effects, strict=True)
              if e.is_told is not False and e.share >= SMALL][:LISTED]  # fmt: skip
    if not listed:
        yield f"No key's effect on {what} can be told from chance."
        return
    shares = ", ".join(f"{name} {share:.0%}" for name, share in listed)
    rest = max(1 - sum(share for _, share in listed), 0.0)
    text = f"What matters to {what} (shares of its variance over {found.cells} settings): {shares}"
    if found.chance is None:
        text += "; part of it is chance, which fewer than five seeds do not tell"
    elif rest >= SMALL:
        text += f"; {rest:.0%} is smaller or cannot be told from chance"
    yield f"{text}.{left_out_text(found)}"


def left_out_text(found: Importance) -> str:
    """What was left out of a grid that is not full, as a sentence."""
    if not found.left_out:
        return ""
    some = ", ".join(found.left_out[:LISTED])
    more = f" and {len(found.left_out) - LISTED} more" if len(found.left_out) > LISTED else ""
    return f" The grid is not full: without {some}{more}."
