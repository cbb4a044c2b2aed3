"""The settings of a sweep, ranked by what their runs came to over the seeds. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from small_nets.stats.distributions import CONFIDENCE, Array
from small_nets.stats.intervals import Interval, mean_ends, quantile_interval, wilson
from small_nets.sweep.jobs.grid import IN_A_SETTING, SEEDS
from small_nets.sweep.results.folds import RUN, VALUE, over_folds
from small_nets.sweep.results.race import Standing, standing_of
from small_nets.sweep.results.standard import Standard, as_array
from small_nets.sweep.results.success import EPOCHS, SUCCEEDED
from small_nets.sweep.store.columns import cell

TYPED = " typed"  # no key's name
Setting = tuple[Any, ...]


@dataclass(frozen=True)
class Ranked:
    """One setting over its seeds.

    - setting: swept key -> value as its column holds it, or as it was typed, where it cannot
    - values: the metric of each run with an end, (n,), worse than any number of a lost one; of
      a sweep over folds one for each seed, the mean over the seed's folds
    - worth: the number that settings are compared by; infinite if lost, NaN if there is none
    - interval: of the worth; None below five runs, or where one of a mean's runs is lost
    - mean, sd: of the metric, None unless all runs have one
    - succeeded: how many runs did; None where that is not known
    - epochs: the median of the epochs to success; infinite where most runs never succeed
    - diverged, failed: how many runs
    - scores: seeds -> what the setting is compared by under them; less is better
    - best_job: the number of the best run
    - jobs: the numbers of the runs with an end
    - stopped: of a setting that halving stopped, the last epoch, and its place among all then
    """

    setting: dict[str, object]
    values: Array
    worth: float
    interval: Interval | None
    mean: float | None
    sd: float | None
    succeeded: int | None
    epochs: float | None
    diverged: int
    failed: int
    scores: dict[tuple[Any, ...], float]
    best_job: int | None
    stopped: tuple[int, int] | None = None
    jobs: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """The runs that have an end, lost ones included; of a sweep over folds the seeds."""
        return len(self.values)

    @property
    def ended(self) -> str:
        """Where halving stopped it, in words."""
        return "" if self.stopped is None else "epoch {:,}, place {:,}".format(*self.stopped)

    @property
    def median(self) -> float:
        """The median of the metric over all runs; infinite where half of them are lost."""
        return float(np.median(self.values)) if self.n else math.nan

    @property
    def share(self) -> Interval | None:
        """The interval of the share of runs that succeed."""
        return wilson(self.succeeded, self.n) if self.succeeded is not None and self.n else None


def of_setting(setting: Ranked) -> pl.Expr:
    """The rows of a setting's runs with an end in a runs table."""
    return pl.col("job").is_in(list(setting.jobs))


def setting_text(setting: Mapping[str, object]) -> str:
    """Keys with their values as they are typed; those without a value are left out."""
    return " ".join(f"{key}={cell(value)}" for key, value in setting.items() if value is not None)


def settings_of(table: pl.DataFrame, keys: Sequence[str]) -> list[Setting]:
    """The setting of each row: the values of these keys, as `Ranked` has them.

    A run that failed may have been given what no column of its key holds. It is of a setting of
    its own then.
    """
    rows: list[Setting] = list(table.select(keys).iter_rows()) if keys else [()] * len(table)
    typed = _typed(table, keys)
    for place in typed.is_not_null().arg_true():
        words = json.loads(typed[place])
        rows[place] = tuple(words.get(k, v) for k, v in zip(keys, rows[place], strict=True))
    return rows


def _typed(table: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """What was typed for these keys and no column holds, as JSON; null where there is nothing."""
    none = pl.Series(TYPED, [None], dtype=pl.String).new_from_index(0, len(table))
    if "typed" not in table.columns or table["typed"].is_null().all():
        return none
    found = []
    for text in table["typed"]:
        words = {k: w for k, w in json.loads(text or "{}").items() if k in keys}
        found.append(json.dumps(words) if words else None)
    return pl.Series(TYPED, found, dtype=pl.String)


def rank(table: pl.DataFrame, swept: Sequence[str], standard: Standard) -> list[Ranked]:
    """Best first. Then those without a number, and last, the longest trained first, those that
    halving stopped (of which some runs may have come to an end by themselves, or before).

    table: a runs table, with what `success.with_success` adds where success is asked for.
    """
    keys = [key for key in swept if key not in IN_A_SETTING]
    seeds = [key for key in SEEDS if key in table.columns]
    table = table.with_columns(standard.value().alias(VALUE), _typed(table, keys))
    if SUCCEEDED not in table.columns:
        table = table.with_columns(pl.lit(None, pl.Boolean).alias(SUCCEEDED),
                                   pl.lit(None, pl.Float64).alias(EPOCHS))  # fmt: skip
    table = over_folds(table, [*keys, TYPED], seeds)
    found = [
        *(pl.col(name).filter(pl.col(VALUE).is_not_null())
          for name in (VALUE, SUCCEEDED, EPOCHS, *seeds)),
        *(pl.col(name).filter(pl.col(RUN).is_not_null()) for name in (RUN, "job")),
        *((pl.col("status") == status).sum().alias(status) for status in ("diverged", "failed")),
        *(pl.col(name).filter(pl.col("status") == "stopped").max().alias(f"stopped {name}")
          for name in ("epochs", "stopped_rank") if "stopped_rank" in table.columns),
    ]  # fmt: skip
    # One pass over all settings: a filter for each of ten thousand takes ten seconds.
    groups = table.group_by([*keys, TYPED], maintain_order=True).agg(found)
    settings = settings_of(groups.rename({TYPED: "typed"}), keys)
    rows = list(groups.iter_rows(named=True))
    values = [as_array(row[VALUE]) for row in rows]
    succeeded = [None if None in row[SUCCEEDED] else sum(row[SUCCEEDED]) for row in rows]
    ranked = [
        Ranked(
            setting=dict(zip(keys, setting, strict=True)),
            values=mine,
            worth=standard.worth(mine, yes) if len(mine) else math.nan,
            interval=interval,
            mean=mean,
            sd=sd,
            succeeded=yes if len(mine) else None,
            epochs=_median_epochs(row[EPOCHS]),
            diverged=row["diverged"],
            failed=row["failed"],
            scores=_scores(standard, mine, row, seeds),
            best_job=_best_job(standard, as_array(row[RUN]), row["job"]),
            stopped=_stopped(row),
            jobs=tuple(row["job"]),
        )
        for row, setting, mine, yes, interval, (mean, sd) in zip(
            rows, settings, values, succeeded, _intervals(standard, values, succeeded),
            map(_moments, values), strict=True,
        )
    ]  # fmt: skip

    def place(r: Ranked) -> tuple[float, ...]:
        epoch, place = r.stopped or (0, 0)
        if r.n == 0 or r.stopped:
            return (2, -epoch, place)
        return standard.order(r.values, r.succeeded)

    return _by_race(sorted(ranked, key=place), standard)


def standing(ranked: Sequence[Ranked], standard: Standard) -> Standing | None:
    """How the race of these settings stands; None where there was none."""
    if standard.race is None:
        return None
    return standing_of([r.scores for r in ranked], standard.order_of_scores, standard.race)


def _by_race(ranked: list[Ranked], standard: Standard) -> list[Ranked]:
    """What was told from the best goes behind the others, the last to be told first.

    It had fewer seeds, with which it may have been luckier than the others with all of theirs.
    """
    found = standing(ranked, standard)
    if found is None:
        return ranked
    told = dict(zip(map(id, ranked), found.told, strict=True))
    return sorted(ranked, key=lambda r: (told[id(r)] is not None, -(told[id(r)] or 0)))


def _moments(values: Array) -> tuple[float | None, float | None]:
    if not len(values) or not np.isfinite(values).all():
        return None, None
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


def _median_epochs(epochs: Sequence[float | None]) -> float | None:
    known = [e for e in epochs if e is not None]
    return float(np.median(known)) if known and len(known) == len(epochs) else None


def _scores(
    standard: Standard, values: Array, row: Mapping[str, Any], seeds: Sequence[str]
) -> dict[tuple[Any, ...], float]:
    """Seeds -> what the setting is compared by under them, less being better."""
    drawn = [*zip(*(row[seed] for seed in seeds), strict=True)] if seeds else []
    if standard.by == "success":
        return {s: math.nan if yes is None else 1.0 - yes
                for s, yes in zip(drawn, row[SUCCEEDED], strict=True)} if drawn else {}  # fmt: skip
    signed = -values if standard.is_metric_high else values
    return dict(zip(drawn, signed.tolist(), strict=True)) if drawn else {}


def _best_job(standard: Standard, values: Array, jobs: Sequence[int]) -> int | None:
    if not np.isfinite(values).any():
        return None
    return jobs[int((values.argmax if standard.is_metric_high else values.argmin)())]


def _stopped(row: Mapping[str, Any]) -> tuple[int, int] | None:
    epoch, place = row.get("stopped epochs"), row.get("stopped stopped_rank")
    return None if epoch is None or place is None else (epoch, place)


def _intervals(
    standard: Standard, samples: Sequence[Array], succeeded: Sequence[int | None]
) -> list[Interval | None]:
    """The interval of each setting's worth."""
    if standard.by == "success":
        return [None if yes is None or not len(sample) else wilson(yes, len(sample))
                for sample, yes in zip(samples, succeeded, strict=True)]  # fmt: skip
    if standard.by not in ("mean", "bound"):
        share = standard.quantile
        return [quantile_interval(sample, share) for sample in samples]
    found: list[Interval | None] = [None] * len(samples)
    whole = [i for i, s in enumerate(samples) if len(s) and np.isfinite(s).all()]
    for size in {len(samples[i]) for i in whole}:  # samples of one size together
        places = [i for i in whole if len(samples[i]) == size]
        ends = mean_ends(np.stack([samples[i] for i in places], axis=1))
        for i, low, high in zip(places, *ends, strict=True):
            if not math.isnan(low):
                found[i] = Interval(float(low), float(high), CONFIDENCE)
    return found
