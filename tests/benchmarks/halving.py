"""What does halving gain, and what does it lose? `python -m tests.benchmarks.halving`

Gain: one sweep of an example, optimizer x learning rate x seeds, to its end and halved, in turn and
in this process, each into a fresh directory; the least of the repeats. Kept: the same grid with
other seeds at each repetition, trained to its end; is the setting that is best there the one that
halving ends with, and how much worse is the one it does end with? Halving is replayed on the
stored curves, and the first repetition is halved in earnest, and compared. Beside it what the same
epochs are worth if all settings are trained equally long.

On 2 cores of a shared 2.5 GHz Xeon, 9,984 runs, 1000 epochs, factor 3 from epoch 100:

    temperature_mlp  to the end 6.3 s, halved 8.2 s (epochs trained: 3.87 times fewer)
    sine             to the end 57.5 s, halved 28.8 s (4.17 times fewer)

and of 20 repetitions (96 settings of 8 seeds) the best kept, with the median regret

    temperature_mlp  by the median 2 (18 %), by the mean 9 (2.1 %), all to epoch 240: 0 (86 %)
    sine             by the median 17 (0 %), by the mean 18 (0 %), all to epoch 240: 10 (0.58 %)

The nets of temperature_mlp train for 0.2 ms; a rung costs as much.

Tables and one picture an example go to outputs/benchmarks/halving/. Some ten minutes.

    python -m tests.benchmarks.halving --runs 960 --repetitions 3 --repeats 1 --examples sine
"""

import argparse
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from small_nets.commands.python_api import call
from small_nets.run.pictures.fit import save_png
from small_nets.sweep.halving.rungs import Halving
from small_nets.sweep.store.store import Store
from tests.benchmarks.halving_picture import halving_figure
from tests.benchmarks.kept import (
    Finished,
    Replayed,
    Setting,
    Verdict,
    as_long,
    check,
    judge,
    replay,
)

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
LOW, HIGH = 1e-4, 1.0
RATES = 24  # 96 settings
SEEDS = 8  # of a setting, in a repetition
LOG = 20  # epochs between points: the rungs are among them


@dataclass(frozen=True)
class Sizes:
    runs: int
    repetitions: int
    repeats: int
    epochs: int
    rates: int
    halving: Halving

    @property
    def asked(self) -> str:
        return f"sweep.halving={{factor: {self.halving.factor:g}, first: {self.halving.first}}}"


@contextmanager
def swept(example: str, seeds: range, sizes: Sizes, *more: str) -> Iterator[tuple[Store, float]]:
    """A sweep of the grid under these seeds, and its seconds; its folder is removed at the end."""
    rates = ",".join(f"{rate:.4g}" for rate in np.geomspace(LOW, HIGH, sizes.rates))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        call(
            [
                f"+experiment={example}", f"trainer.max_epochs={sizes.epochs}", f"log_every={LOG}",
                "logger=none", "sweep.directories=0", f"optimizer={','.join(OPTIMIZERS)}",
                f"optimizer.lr={rates}", f"seed=range({seeds.start},{seeds.stop})",
                f"sweep.dir={folder}", *more,
            ],
            Console(file=io.StringIO()),
        )  # fmt: skip
        yield Store(Path(folder)), time.perf_counter() - began


@dataclass(frozen=True)
class Cost:
    """seconds: of the whole call. training: of them, until the last part was stored.

    epochs: trained, of all runs together.
    """

    runs: int
    seconds: float
    training: float
    epochs: int


def cost(example: str, sizes: Sizes, *more: str) -> Cost:
    settings = len(OPTIMIZERS) * sizes.rates
    with swept(example, range(max(sizes.runs // settings, 1)), sizes, *more) as (store, seconds):
        table = store.read()
        training = sum(one["seconds"] for one in store.about["trained"])
        return Cost(len(table), seconds, training, sum(table["epochs"].to_list()))


def gain_rows(example: str, sizes: Sizes) -> Iterator[list[str]]:
    """Rows of the sweep to its end, the halved one, and their ratio."""
    with swept(example, range(1), sizes):  # compiles
        pass
    ways = {"to the end": (), "halved": (sizes.asked,)}
    rounds = [{name: cost(example, sizes, *more) for name, more in ways.items()}
              for _ in range(sizes.repeats)]  # fmt: skip
    least = {name: min((r[name] for r in rounds), key=lambda c: c.seconds) for name in ways}
    for name, c in least.items():
        yield [example, name, f"{c.runs:,}", f"{c.epochs:,}", f"{c.training:.1f}",
               f"{c.seconds:.1f}", f"{c.runs / c.seconds:,.0f}"]  # fmt: skip
    whole, halved = least.values()
    ratios = [getattr(whole, n) / getattr(halved, n) for n in ("epochs", "training", "seconds")]
    yield [example, "ratio", "", *(f"{r:.2f}" for r in ratios), f"{ratios[-1]:.2f}"]


@dataclass(frozen=True)
class Repetition:
    """verdicts: of halving by the median and by the mean. equally: of `as_long`, by the median."""

    verdicts: dict[str, Verdict]
    equally: Verdict
    epoch: int


def repetitions(example: str, sizes: Sizes, out: Path) -> list[Repetition]:
    found: list[Repetition] = []
    for k in range(sizes.repetitions):
        seeds = range(k * SEEDS, (k + 1) * SEEDS)
        with swept(example, seeds, sizes) as (store, _):
            whole = Finished.of(store, sizes.epochs)
        one = replay(whole, sizes.halving)
        if k == 0:
            _in_earnest(example, seeds, sizes, one)
            save_png(halving_figure(whole, one, example, SEEDS), out / f"{example}.png")
        epoch, setting = as_long(whole, one.share)
        verdicts = {by: judge(whole.final(by), one.finalists) for by in ("median", "mean")}
        found.append(Repetition(verdicts, _alone(whole, setting), epoch))
    return found


def _in_earnest(example: str, seeds: range, sizes: Sizes, replayed: Replayed) -> None:
    with swept(example, seeds, sizes, sizes.asked) as (store, _):
        check(replayed, store)


def _alone(whole: Finished, setting: Setting) -> Verdict:
    return judge(whole.final("median"), [setting])


def kept_row(example: str, way: str, several: Sequence[Verdict]) -> list[str]:
    regrets = [100 * verdict.regret for verdict in several]
    kept = sum(verdict.kept for verdict in several)
    return [example, way, f"{kept} of {len(several)}", f"{median(regrets):.2g} %",
            f"{max(regrets):.2g} %"]  # fmt: skip


def kept_rows(example: str, found: Sequence[Repetition]) -> Iterator[list[str]]:
    for by in ("median", "mean"):
        yield kept_row(example, f"halved, by the {by}", [one.verdicts[by] for one in found])
    way = f"all to epoch {found[0].epoch}, by the median"
    yield kept_row(example, way, [one.equally for one in found])


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < 2 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def tables(examples: Sequence[str], sizes: Sizes, out: Path) -> Iterator[Table]:
    about = f"{sizes.asked}, {sizes.epochs} epochs"
    if sizes.repeats:
        rows = [row for example in examples for row in gain_rows(example, sizes)]
        yield table_of(f"Gain: {about}, best of {sizes.repeats}",
                       ("example", "sweep", "runs", "epochs trained", "training s", "whole s",
                        "runs a second"), rows)  # fmt: skip
    if sizes.repetitions:
        rows = [row for example in examples
                for row in kept_rows(example, repetitions(example, sizes, out))]  # fmt: skip
        count = len(OPTIMIZERS) * sizes.rates
        yield table_of(f"Kept: {about}, {count} settings of {SEEDS} seeds",
                       ("example", "way", "best kept", "median regret", "worst regret"),
                       rows)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.halving")
    for name, size, text in (
        ("runs", 10_000, "of the sweep that is timed"),
        ("repeats", 3, "of each timing; 0: none"),
        ("repetitions", 20, "with other seeds; 0: none"),
        ("epochs", 1000, f"a multiple of {LOG}"),
        ("rates", RATES, f"learning rates, for each of {len(OPTIMIZERS)} optimizers"),
        ("factor", 3, "of halving"),
        ("first", 100, f"rung, a multiple of {LOG}"),
    ):
        parser.add_argument(f"--{name}", type=int, default=size, help=f"{text} (%(default)s)")
    parser.add_argument("--examples", default="temperature_mlp,sine")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmarks/halving"))
    options = vars(parser.parse_args())
    examples, out = options.pop("examples").split(","), options.pop("out")
    halving = Halving(options.pop("factor"), options.pop("first"))
    for name, epochs in (("epochs", options["epochs"]), ("first", halving.first)):
        if epochs % LOG:
            parser.error(f"--{name} {epochs} is no logged point.\nAllowed: a multiple of {LOG}")
    out.mkdir(parents=True, exist_ok=True)
    with (out / "table.txt").open("w") as file:
        for table in tables(examples, Sizes(**options, halving=halving), out):
            Console(width=120).print(table)
            Console(file=file, width=120).print(table)
    print(f"{out}/table.txt  " + "  ".join(f"{out}/{example}.png" for example in examples))


if __name__ == "__main__":
    main()
