"""What is said of a ranking, in the words of the terminal, the tables and the page."""

import math
from collections.abc import Iterator, Sequence

from small_nets.stats.comparison import LEVEL
from small_nets.stats.distributions import CONFIDENCE
from small_nets.stats.intervals import BOOTSTRAP_FROM, FEWEST, Interval
from small_nets.sweep.results.ranking import Ranked, setting_text
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.told_apart import Beside, beside_best, is_raced

FINE = 0.02  # an interval of shares that is narrower needs decimals
FEW = 3  # settings that are named in a sentence


def worth_text(worth: float | None, form: str = ".6g") -> str:
    """A number of a setting; "lost" where it is worse than any number."""
    if worth is None or math.isnan(worth):
        return ""
    return "lost" if math.isinf(worth) else format(worth, form)


def interval_text(interval: Interval | None) -> str:
    """The ends of an interval, and its confidence where that is below what the heading says."""
    if interval is None:
        return ""
    if interval.low == interval.high:
        return _end(interval.low)
    text = f"{_end(interval.low)} to {_end(interval.high)}"
    sure = interval.confidence
    return text if sure >= CONFIDENCE else f"{text} ({sure:.0%})"


def _end(value: float) -> str:
    if math.isnan(value):
        return "open"  # the sample is too small to end the interval
    return "lost" if math.isinf(value) else f"{value:.3g}"


def share_text(share: Interval | None) -> str:
    """The ends of the interval of a share of success; decimals where whole per cents hide them."""
    if share is None:
        return ""
    form = ".0%" if share.high - share.low >= FINE else ".1%"
    return f"{share.low:{form}} to {share.high:{form}}"


def interval_title(ranked: Sequence[Ranked], standard: Standard) -> str:
    """The heading of the intervals: what holds, and how surely."""
    if standard.by not in ("mean", "bound"):
        return f"{CONFIDENCE:.0%} interval"
    # Student's t and its bootstrap hold what they say for values that are near to normal.
    most = max(r.n for r in ranked)
    return "t interval" if most < BOOTSTRAP_FROM else "bootstrap-t interval"


def epochs_text(r: Ranked) -> str:
    """The median of the epochs to success."""
    if r.epochs is None:
        return ""
    return "never" if math.isinf(r.epochs) else f"{r.epochs:,.0f}"


def said_of_success(ranked: Sequence[Ranked], standard: Standard) -> Iterator[str]:
    """What success is, and how sure its share."""
    if any(r.succeeded is not None for r in ranked):
        many = max(r.n for r in ranked) >= FEWEST
        sure = ", its share with Wilson's interval, 95 % on average over shares" if many else ""
        yield f"success: {standard.rule_text}{sure}"


def said_of_best(
    ranked: Sequence[Ranked], standard: Standard, known_beside: Sequence[Beside] | None = None
) -> Iterator[str]:
    """Which settings can be told from the best one, and what is not said of few seeds.

    known_beside: what `beside_best` says of this ranking, where that is known: it takes a while.
    """
    first, others = ranked[0], [r for r in ranked[1:] if r.n]
    if not others or first.n == 0 or first.stopped:
        return
    known_beside = beside_best(ranked, standard) if known_beside is None else known_beside
    beside = [b for r, b in zip(ranked[1:], known_beside[1:], strict=True) if r.n]
    known = [b for b in beside if b.is_told is not None]
    if not known:
        fewest = max((b.seeds for b in beside), default=0)
        yield (f"No verdict: the best and the others share {fewest} seed{'s' * (fewest != 1)}, and "
               f"{FEWEST} or more are needed to tell settings apart.")  # fmt: skip
        return
    alike = [r for r, b in zip(others, beside, strict=True) if b.is_alike]
    seeds = max(b.seeds for b in known)
    how = (f"(under the same {seeds} seeds, by ranks; where all are equal, {LEVEL:.0%} of such "
           "reports tell any apart)")  # fmt: skip
    if (race := standard.race) is not None and is_raced(ranked, standard):
        few = min(b.seeds for b in known)
        how = (f"(after {few if few == seeds else f'{few} to {seeds}'} seeds, by ranks; where all "
               f"are equal, {race.until:.0%} of such races tell any apart)")  # fmt: skip
    others_said = "the other" if len(known) == 1 else f"the {len(known)} others"
    every, any_of = ("", "") if len(known) == 1 else ("each of ", "any of ")
    if not alike:
        yield f"The best can be told from {every}{others_said} {how}."
    elif len(alike) == len(known):
        yield f"The best cannot be told from {any_of}{others_said} {how}."
    else:
        named = "; ".join(setting_text(r.setting) for r in alike[:FEW])
        more = f"; and {len(alike) - FEW} more" if len(alike) > FEW else ""
        yield (f"The best cannot be told from {len(alike)} of the {len(known)} others {how}: "
               f"{named}{more}.")  # fmt: skip
    yield _second(beside[0], standard)


def _second(beside: Beside, standard: Standard) -> str:
    text = f"The best is better than the second in {beside.wins:g} of {beside.seeds} seeds"
    if 2 * beside.wins < beside.seeds:
        by = "its share of success" if standard.by == "success" else f"its {standard.by}"
        text += f", fewer than half: it is the best by {by}, not seed by seed"
    return f"{text}."
