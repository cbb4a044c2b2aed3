"""Does what is said of settings hold? `python -m tests.benchmarks.statistics`

By simulation, from the program's own functions: how often each interval covers the truth, how
often equal settings are told apart, how often unequal ones are, and how lucky a winner is. The
worlds are normal, lognormal, one in which a tenth of the seeds is stuck at a hundredfold loss, and
a real one: the README's sweep of temperature_mlp with many seeds, from which samples are drawn.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console

from small_nets.notebook import sweep
from small_nets.run.terminal.tables import new_console, new_table, print_table
from small_nets.stats.comparison import told_from_best
from small_nets.stats.intervals import mean_ends, quantile_interval, quantile_places, wilson
from small_nets.sweep.results.race import Race, Standing, standing_of
from small_nets.sweep.results.standard import Standard

Array = NDArray[np.float64]
SEEDS = (5, 8, 10, 20, 40)
BIG = 10**6
GRID = ("+experiment=temperature_mlp", "optimizer=sgd,momentum,rmsprop,adam",
        "optimizer.lr=0.0001,0.001,0.01,0.1,1")  # fmt: skip


def worlds(random: np.random.Generator) -> dict[str, Callable[[tuple[int, int]], Array]]:
    """Name -> draws of a shape."""

    def stuck(shape: tuple[int, int]) -> Array:
        values = np.exp(0.3 * random.normal(size=shape))
        return np.where(random.random(shape) < 0.1, 100 * values, values)

    return {
        "normal": lambda shape: 5 + random.normal(size=shape),
        "lognormal": lambda shape: np.exp(random.normal(size=shape)),
        "a tenth is stuck": stuck,
    }


def real(seeds: int) -> Array:
    """val/loss of the README's 20 settings, (seeds, settings); infinite for a lost run."""
    with tempfile.TemporaryDirectory() as folder:
        done = sweep(*GRID, f"seed=range({seeds})", f"sweep.dir={Path(folder) / 's'}",
                     "sweep.directories=0", "logger=none", "pictures=none")  # fmt: skip
        value = pl.when(pl.col("status") == "completed").then("val/loss").otherwise(np.inf)
        table = done.with_columns(value.alias("value"))
    keys = ["optimizer", "optimizer.lr"]
    return np.stack([np.asarray(rows.sort("seed")["value"]) for _, rows in
                     table.group_by(keys, maintain_order=True)], axis=1)  # fmt: skip


def coverage(console: Console, random: np.random.Generator, population: Array) -> None:
    """How often the interval of a median, a mean and a share of success holds the truth."""
    table = new_table("world", "seeds", "median", "as written", "mean", "share", numbers=True)
    drawers = worlds(random)
    finite = population[:, np.isfinite(population).all(axis=0)]
    column = finite[:, np.median(finite, axis=0).argmin()]
    drawers["temperature_mlp, the best setting"] = lambda shape: random.choice(column, shape)
    for name, draw in drawers.items():
        whole = draw((BIG, 1))
        middle, mean, bound = np.median(whole), whole.mean(), np.quantile(whole, 0.7)
        share = (whole < bound).mean()
        for n in SEEDS:
            values = draw((n, 4000))
            low, high, sure = quantile_places(n)
            ordered = np.sort(values, axis=0)
            of_median = (ordered[low - 1] <= middle) & (middle <= ordered[high - 1])
            ends = mean_ends(values)
            of_mean = (ends[0] <= mean) & (mean <= ends[1])
            shares = [wilson(int(k), n) for k in (values < bound).sum(axis=0)]
            of_share = [s.low <= share <= s.high for s in shares]
            table.add_row(name, str(n), f"{of_median.mean():.3f}", f"{sure:.3f}",
                          f"{of_mean.mean():.3f}", f"{np.mean(of_share):.3f}")  # fmt: skip
    console.print("\nCoverage: how often the interval holds the truth", style="bold")
    print_table(console, table)


def errors(console: Console, random: np.random.Generator, repeats: int) -> None:
    """The share of reports that tell any setting from the best, where all are equal."""
    table = new_table("world", "settings", *(f"{n} seeds" for n in SEEDS[1:]), numbers=True)
    for name, draw in worlds(random).items():
        for settings in (2, 10, 60):
            shares = []
            for n in SEEDS[1:]:
                wrong = sum(_told(draw((n, settings))).any() for _ in range(repeats))
                shares.append(f"{wrong / repeats:.3f}")
            table.add_row(name, str(settings), *shares)
    console.print("\nEqual settings: the share of reports that tell any apart", style="bold")
    print_table(console, table)


def _told(values: Array) -> NDArray[np.bool_]:
    best = int(np.median(values, axis=0).argmin())
    return told_from_best(values, best)


def power(console: Console, random: np.random.Generator, population: Array, repeats: int) -> None:
    """Samples of the README's sweep: who is told apart, and what the winner is worth."""
    truth = np.median(population, axis=0)
    best, ratio = int(truth.argmin()), truth / truth.min()
    table = new_table(
        "seeds", "told, of 19", "of those twice as bad", "the true best told", "chosen / true",
        "confirmed / true", "interval holds, chosen", "interval holds, confirmed", numbers=True,
    )  # fmt: skip
    for n in SEEDS[1:]:
        told, lost, worse, chosen, confirmed, held, held_again = ([] for _ in range(7))
        for _ in range(repeats):
            rows = random.permutation(len(population))
            sample, fresh = population[rows[:n]], population[rows[n : n + 32]]
            is_told = _told(sample)
            first = int(np.median(sample, axis=0).argmin())
            told.append(is_told.sum())
            lost.append(is_told[best])
            worse.append(is_told[ratio >= 2].mean())
            chosen.append(np.median(sample[:, first]) / truth[first])
            confirmed.append(np.median(fresh[:, first]) / truth[first])
            held.append(_holds(sample[:, first], truth[first]))
            held_again.append(_holds(fresh[:, first], truth[first]))
        table.add_row(
            str(n), f"{np.mean(told):.1f}", f"{np.mean(worse):.2f}", f"{np.mean(lost):.3f}",
            *(f"{np.median(found):.2f}" for found in (chosen, confirmed)),
            f"{np.mean(held):.2f}", f"{np.mean(held_again):.2f}",
        )  # fmt: skip
    console.print("\nThe README's sweep: 20 settings of temperature_mlp", style="bold")
    print_table(console, table)


def races(
    console: Console, random: np.random.Generator, population: Array, repeats: int
) -> None:  # fmt: skip
    """How often a race tells equal settings apart, and what one of the README's sweep comes to."""
    race = Race(0.05, 128, 8)
    table = new_table("world", "settings", "told apart", numbers=True)
    for name, draw in worlds(random).items():
        for settings in (2, 10):
            wrong = [_run(draw((race.most, settings)), race).told for _ in range(repeats)]
            share = np.mean([any(at is not None for at in told) for told in wrong])
            table.add_row(name, str(settings), f"{share:.3f}")
    console.print("\nRaces of equal settings from 8 to 128 seeds: the share that tell any apart",
                  style="bold")  # fmt: skip
    print_table(console, table)
    best = int(np.median(population, axis=0).argmin())
    left, runs, has_best = [], [], []
    race = Race(0.05, 256, 8)
    for _ in range(repeats // 4):
        told = _run(population[random.permutation(len(population))[: race.most]], race).told
        left.append(told.count(None))
        runs.append(sum(at or race.most for at in told))
        has_best.append(told[best] is None)
    console.print(
        f"\nRaces of the README's sweep, from 8 to {race.most} seeds: {np.mean(left):.1f} of "
        f"{population.shape[1]} settings are left, after {np.mean(runs):,.0f} runs instead of "
        f"{population.shape[1] * race.most:,}; the true best is among them in "
        f"{np.mean(has_best):.1%}", soft_wrap=True,
    )  # fmt: skip


def _run(values: Array, race: Race) -> Standing:
    """values: (seeds, settings)."""
    scores = [dict(enumerate(column.tolist())) for column in values.T]
    return standing_of(scores, Standard("val/loss").order_of_scores, race)


def _holds(values: Array, truth: float) -> bool:
    found = quantile_interval(values)
    return found is not None and found.low <= truth <= found.high


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="of each setting of the real world")
    parser.add_argument("--repeats", type=int, default=400)
    options = parser.parse_args()
    console, random = new_console(), np.random.default_rng(0)
    population = real(options.seeds)
    coverage(console, random, population)
    errors(console, random, options.repeats)
    power(console, random, population, options.repeats)
    races(console, random, population, options.repeats)


if __name__ == "__main__":
    main()
