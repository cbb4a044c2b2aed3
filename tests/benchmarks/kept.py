"""Does halving keep the setting that the whole sweep ends with? Replayed on the sweep's curves.

A run at a rung has the numbers of the whole run at that epoch, to the bit, so that one sweep that
was trained to its end tells what halving would have stopped. `check` holds that to a sweep that
was halved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from small_nets.sweep.halving.rungs import Halving, Ranks, rungs, survivors
from small_nets.sweep.results.ranking import SEEDS, rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store

METRIC = "val/loss"
LOSS = Standard(METRIC)
Setting = tuple[Any, ...]
Values = Mapping[Setting, Sequence[float]]


@dataclass(frozen=True)
class Finished:
    """A whole sweep, one step an epoch. table: its runs; keys: swept, without the seeds."""

    table: pl.DataFrame
    curves: pl.DataFrame
    keys: list[str]
    epochs: int

    @classmethod
    def of(cls, store: Store, epochs: int) -> "Finished":
        keys = [key for key in store.swept if key not in SEEDS]
        return cls(store.read(), store.curves(columns=["step", METRIC]), keys, epochs)

    def at(self, epoch: int) -> Values:
        """Each setting's metric over its seeds; NaN for runs that had diverged by then."""
        there = self.curves.filter(step=epoch).select("run_id", pl.col(METRIC).alias("there"))
        ended = pl.col("diverged_step") <= epoch
        values = self.table.join(there, on="run_id", how="left").sort("job").with_columns(
            pl.when(ended).then(None).otherwise(pl.col("there")).fill_null(float("nan"))
            .alias("there")
        )  # fmt: skip
        found: dict[Setting, list[float]] = {}
        for *setting, value in values.select(*self.keys, "there").iter_rows():
            found.setdefault(tuple(setting), []).append(value)
        return found

    def final(self, by: str) -> dict[Setting, float]:
        """What each setting is worth at the end, best first. by: median or mean."""
        ranked = rank(self.table, self.keys, Standard(METRIC, by))
        return {tuple(r.setting.values()): r.worth for r in ranked}


@dataclass(frozen=True)
class Replayed:
    """ranks: at each rung, of those who came to it. finalists: who is trained to the end."""

    ranks: dict[int, Ranks]
    finalists: list[Setting]
    epochs: int

    @property
    def going(self) -> list[tuple[int, int]]:
        """(epoch, settings that are trained from there), from 0 on."""
        count = len(next(iter(self.ranks.values())).of)
        return [(0, count), *((epoch, ranks.count) for epoch, ranks in self.ranks.items())]

    @property
    def share(self) -> float:
        """Of the whole sweep's epochs, if all seeds lived."""
        ends = [epoch for epoch, _ in self.going[1:]] + [self.epochs]
        spent = sum((end - at) * n for (at, n), end in zip(self.going, ends, strict=True))
        return spent / (self.epochs * self.going[0][1])


def replay(whole: Finished, halving: Halving) -> Replayed:
    """Who goes on from each rung."""
    found: dict[int, Ranks] = {}
    going = list(whole.at(whole.epochs))
    for epoch in rungs(halving.first, halving.factor, whole.epochs):
        values = whole.at(epoch)
        among = set(going)
        here = {setting: v for setting, v in values.items() if setting in among}
        found[epoch] = survivors(here, halving.factor, LOSS)
        going = found[epoch].going
    return Replayed(found, going, whole.epochs)


@dataclass(frozen=True)
class Verdict:
    """kept: whether it is the whole sweep's best. regret: its final metric over that, less 1."""

    kept: bool
    regret: float


def judge(final: Mapping[Setting, float], among: Sequence[Setting]) -> Verdict:
    """The best at the end among some settings, beside the best of all. final: best first."""
    best, chosen = next(iter(final)), set(among)
    winner = next(setting for setting in final if setting in chosen)
    return Verdict(winner == best, final[winner] / final[best] - 1)


def as_long(whole: Finished, share: float) -> tuple[int, Setting]:
    """The best, by the median, where all settings are trained equally long, and stopped at once.

    share: of the epochs; the next logged point is taken. Returns it and the setting.
    """
    epoch = whole.curves.filter(pl.col("step") >= share * whole.epochs)["step"].min()
    assert isinstance(epoch, int), "the last epoch is logged"
    return epoch, survivors(whole.at(epoch), 1, LOSS).going[0]


def check(found: Replayed, halved: Store) -> None:
    """Raises AssertionError where a sweep that was halved came to something else."""
    keys = [key for key in halved.swept if key not in SEEDS]
    table = halved.read()
    for status, *setting, epoch, place in table.select(
        "status", *keys, "epochs", "stopped_rank"
    ).iter_rows():
        if status == "stopped":
            assert found.ranks[epoch].of[tuple(setting)] == place, "stopped at another place"
            assert place > found.ranks[epoch].count, "stopped, and goes on here"
        elif status == "completed":
            assert tuple(setting) in found.finalists, "trained to the end, and stopped here"
