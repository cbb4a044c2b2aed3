"""Does searching beat sweeping? `python -m tests.benchmarks.search`

On `sine`: width and depth, optimizer, learning rate; as many runs for each way. A grid has no
order, so each repetition goes through it in another one. What a way has reached after so many
runs is the setting that its own runs call the best, and its worth is measured on seeds that no way
has seen: the least of many noisy medians is too low by itself.

On 2 cores of a shared 2.5 GHz Xeon, 96 trials of 8 seeds, medians of 5 repetitions: 1000 x val/loss
of the chosen setting over 32 fresh seeds

    runs       tpe:8  tpe:16  tpe:48  random   grid
     192       0.389   0.389   0.930   0.930  1.606
     384       0.307   0.362   0.930   0.930  0.539
     768       0.287   0.289   0.328   0.681  1.606

(what the median over 8 seeds calls the grid's best is not what 32 fresh ones would choose).

The table and best_so_far.png go to outputs/search_benchmark/. Ten minutes on two cores.

    python -m tests.benchmarks.search --ways tpe:8,tpe:48,gp:8,grid --repeats 3 --trials 48
"""

import argparse
import io
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from small_nets.commands.python_api import call
from small_nets.run.figures.loss import Line, losses_figure
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.run.pictures.fit import save_png
from small_nets.search.journal import look_at
from small_nets.sweep.store.store import Store

METRIC = "val/loss"
OPTIMIZERS = ("sgd", "adam", "rmsprop")
WIDTHS = ("5", "10", "[5,5]", "[10,10]")
LOW, HIGH = 1e-4, 1.0
SHARES = (0.25, 0.5, 1.0)
FRESH = 1000  # the first of the seeds that measure what a setting is worth
Setting = tuple[str, str, float]  # optimizer, width, learning rate


@dataclass(frozen=True)
class Sizes:
    """seeds: of a trial. fresh: seeds that measure a setting."""

    trials: int
    repeats: int
    epochs: int
    seeds: int
    fresh: int

    @property
    def common(self) -> tuple[str, ...]:
        return ("+experiment=sine", f"trainer.max_epochs={self.epochs}", "logger=none",
                "sweep.directories=0")  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """A setting and its objective, in the order in which a way tried them."""

    setting: Setting
    value: float


def run(overrides: Sequence[str], folder: Path) -> Store:
    call([*overrides, f"sweep.dir={folder}"], Console(file=io.StringIO()))
    return Store(folder)


def by_search(way: str, repeat: int, sizes: Sizes) -> list[Tried]:
    """way: a sampler, and after a colon how many trials at a time."""
    sampler, _, batch = way.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        store = run(
            (
                *sizes.common, "hydra/sweeper=search", f"search.sampler={sampler}",
                f"search.batch={batch or 64}", f"search.trials={sizes.trials}",
                f"search.seeds={sizes.seeds}", f"search.seed={repeat}",
                f"optimizer={','.join(OPTIMIZERS)}", f"model.width={','.join(WIDTHS)}",
                f"optimizer.lr=tag(log, interval({LOW},{HIGH}))",
            ),
            Path(folder),
        )  # fmt: skip
        study = look_at(store.directory / STUDY)[0]
        assert study is not None, "a search leaves its study"
        return [
            Tried(
                (t.params["optimizer"], t.params["model.width"], t.params["optimizer.lr"]),
                np.inf if t.value is None else t.value,
            )
            for t in study.trials
        ]


def by_grid(sizes: Sizes) -> list[Tried]:
    """The whole grid, each setting once."""
    rates = np.geomspace(LOW, HIGH, sizes.trials // (len(OPTIMIZERS) * len(WIDTHS)))
    settings = [(o, w, float(f"{r:.6g}"))
                for o, w, r in itertools.product(OPTIMIZERS, WIDTHS, rates.tolist())]  # fmt: skip
    found = worth(settings, range(sizes.seeds), sizes)
    return [Tried(setting, found[setting]) for setting in settings]


def worth(settings: Sequence[Setting], seeds: range, sizes: Sizes) -> dict[Setting, float]:
    """The median over these seeds of each setting; a run that diverged is infinitely bad."""
    found = {}
    for (optimizer, width), several in itertools.groupby(sorted(set(settings)), lambda s: s[:2]):
        rates = [rate for _, _, rate in several]
        with tempfile.TemporaryDirectory() as folder:
            store = run(
                (
                    *sizes.common, f"optimizer={optimizer}", f"model.width={width}",
                    f"optimizer.lr={','.join(map(str, rates))}",
                    f"seed=range({seeds.start},{seeds.stop})",
                ),
                Path(folder),
            )  # fmt: skip
            table = store.read()
        rate = pl.col("optimizer.lr") if len(rates) > 1 else pl.lit(rates[0])
        lost = pl.when(pl.col("status") == "completed").then(pl.col(METRIC)).otherwise(np.inf)
        medians = table.group_by(rate.alias("rate")).agg(lost.fill_nan(np.inf).median())
        found |= {(optimizer, width, r): value for r, value in medians.iter_rows()}
    return found


def leaders(tried: Sequence[Tried]) -> list[Setting]:
    """After each trial, the setting that is the best so far."""
    found: list[Tried] = []
    for one in tried:
        found.append(one if not found or one.value < found[-1].value else found[-1])
    return [one.setting for one in found]


def all_leaders(ways: Sequence[str], sizes: Sizes) -> Iterator[tuple[str, list[Setting]]]:
    """For each way and repetition: which setting leads after each trial."""
    grid = by_grid(sizes) if "grid" in ways else []
    for way in ways:
        for repeat in range(sizes.repeats):
            if way == "grid":
                order = np.random.default_rng(repeat).permutation(len(grid))
                yield way, leaders([grid[i] for i in order])
            else:
                yield way, leaders(by_search(way, repeat, sizes))


def measured(ways: Sequence[str], sizes: Sizes) -> dict[str, np.ndarray]:
    """For each way: what its leaders are worth, (repetitions, trials)."""
    found = list(all_leaders(ways, sizes))
    every = sorted({setting for _, several in found for setting in several})
    true = worth(every, range(FRESH, FRESH + sizes.fresh), sizes)
    return {
        way: np.array([[true[s] for s in several] for name, several in found if name == way])
        for way in ways
    }


def table_of(found: dict[str, np.ndarray], sizes: Sizes) -> Table:
    runs = sizes.trials * sizes.seeds
    title = (f"{METRIC} x 1000 of the best setting so far: median over {sizes.fresh} fresh seeds; "
             f"of {sizes.repeats} repetitions the median, and from … to")  # fmt: skip
    table = Table(title=title)
    table.add_column("way")
    for share in SHARES:
        table.add_column(f"after {round(share * runs):,} runs", justify="right")
    for way, values in found.items():
        cells = []
        for share in SHARES:
            there = 1000 * values[:, round(share * sizes.trials) - 1]
            cells.append(f"{np.median(there):.3f}  ({there.min():.3f} … {there.max():.3f})")
        table.add_row(way, *cells)
    return table


def draw(found: dict[str, np.ndarray], sizes: Sizes, path: Path) -> None:
    runs = [(i + 1) * sizes.seeds for i in range(sizes.trials)]
    lines = [
        Line(way, runs, *(f(values, axis=0).tolist() for f in (np.median, np.min, np.max)))
        for way, values in found.items()
    ]
    figure = losses_figure(lines, f"sine: the best setting so far, {sizes.repeats} repetitions",
                           f"{METRIC} on fresh seeds")  # fmt: skip
    figure.axes[0].set_xlabel("runs")
    save_png(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.search")
    parser.add_argument("--ways", default="tpe:8,random,grid",
                        help="sampler:batch, or grid; default: %(default)s")  # fmt: skip
    least = len(OPTIMIZERS) * len(WIDTHS)
    for name, size, text in (
        ("trials", 8 * least, f"a multiple of {least}"), ("repeats", 5, ""), ("epochs", 300, ""),
        ("seeds", 8, "of a trial"), ("fresh", 32, "seeds that measure a setting"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=size, help=f"{text} (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("outputs/search_benchmark"))
    options = vars(parser.parse_args())
    ways, out = options.pop("ways").split(","), options.pop("out")
    sizes = Sizes(**options)
    if sizes.trials % least:
        parser.error(f"--trials {sizes.trials} makes no grid.\nAllowed: a multiple of {least}")
    found = measured(ways, sizes)
    out.mkdir(parents=True, exist_ok=True)
    draw(found, sizes, out / "best_so_far.png")
    shown = table_of(found, sizes)
    Console(width=150).print(shown)
    with (out / "table.txt").open("w") as file:
        Console(file=file, width=150).print(shown)
    print(f"{out}/best_so_far.png  {out}/table.txt")


if __name__ == "__main__":
    main()
