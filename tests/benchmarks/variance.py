"""How well are shares of variance known? `python -m tests.benchmarks.variance`

By simulation: how far the share of the split in crossed seeds is off, and how often an effect that
is none is told from chance.
"""

import argparse

import numpy as np
from rich.console import Console

from small_nets.run.terminal.tables import new_console, new_table, print_table
from small_nets.stats.crossed import components
from small_nets.stats.functional_anova import importance
from small_nets.sweep.results.standard import Standard

SHARES = (0.6, 0.3, 0.1)  # of the split, of the seed, of both together
LEVELS = (3, 5, 10, 20)
GRIDS = ((2, 2), (3, 4), (5, 4, 3))
DRAWS = 200


def crossed(console: Console, random: np.random.Generator, repeats: int) -> None:
    """How far off the split's share of 60 % is in nine of ten sweeps."""
    table = new_table("splits and seeds", "off by, points", numbers=True)
    one, two, both = np.sqrt(SHARES)
    for n in LEVELS:
        found = [components([one * random.normal(size=(n, 1)) + two * random.normal(size=(1, n))
                             + both * random.normal(size=(n, n))]).shares
                 for _ in range(repeats)]  # fmt: skip
        off = [abs(shares[0] - SHARES[0]) for shares in found if shares is not None]
        table.add_row(str(n), f"{100 * np.quantile(off, 0.9):.0f}")
    console.print("Crossed seeds: how far the split's share is off, in nine of ten", style="bold")
    print_table(console, table)


def chance(console: Console, random: np.random.Generator, repeats: int) -> None:
    """The share of effects that are told from chance, where there is none but the first key's."""
    table = new_table("ranked by", "grid", "seeds", "told", numbers=True)
    for by in ("median", "mean"):
        worths = Standard("val/loss", by).worths
        for shape in GRIDS:
            for n in (5, 8, 20):
                told = []
                for _ in range(repeats // 4):
                    values = random.standard_t(4, size=(*shape, n)) + random.normal(size=n)
                    values += 3 * np.arange(shape[0]).reshape(-1, *[1] * len(shape))
                    drawn = random.integers(n, size=(DRAWS, n))
                    replicates = np.moveaxis(worths(values[..., drawn]), -1, 0)
                    found = importance(worths(values), replicates, n)
                    effects = () if found is None else found.effects
                    told += [effect.is_told for effect in effects if effect.axes != (0,)]
                table.add_row(by, " x ".join(map(str, shape)), str(n), f"{np.mean(told):.3f}")
    console.print("\nEffects that are none: the share that is told from chance", style="bold")
    print_table(console, table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    options = parser.parse_args()
    console, random = new_console(), np.random.default_rng(0)
    crossed(console, random, options.repeats)
    chance(console, random, options.repeats)


if __name__ == "__main__":
    main()
