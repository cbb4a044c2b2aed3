"""What a sweep prints: the plan, and the summary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from small_nets.config.sweep_schema import UNITS
from small_nets.run.terminal.tables import natural_width, new_table, print_table, warn
from small_nets.stats.intervals import FEWEST
from small_nets.sweep.cohorts.prepare import Means, Ready
from small_nets.sweep.jobs.grid import SEEDS
from small_nets.sweep.jobs.plan import Plan
from small_nets.sweep.jobs.whole_sweep import first_error
from small_nets.sweep.results.folds import has_folds
from small_nets.sweep.results.ranking import Ranked, of_setting, setting_text
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.words import (
    epochs_text,
    interval_text,
    interval_title,
    said_of_best,
    said_of_success,
    share_text,
    worth_text,
)
from small_nets.sweep.store.columns import cell
from small_nets.sweep.training.progress import runs
from small_nets.sweep.training.task import PER_RUN, expected_seconds

FEW = 20
DIRECTORY_BYTES = 60_000  # of a run's own directory: events and pictures
ALONE_BYTES = 2_000  # of the row, config and curve of a run that goes alone


def _table(console: Console, title: str, *columns: str) -> Table:
    console.print(title, style="bold", soft_wrap=True)
    return new_table(*columns, numbers=True)


def duration(seconds: float) -> str:
    """Seconds as text, as a reader says them."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(number: float) -> str:
    """Bytes as text, in the unit that suits."""
    unit, one = next((u for u in reversed(UNITS.items()) if number >= u[1]), ("B", 1))
    return f"{number / one:.{0 if one == 1 else 1}f} {unit}"


def show_plan(
    console: Console, plan: Plan, ready: Sequence[Ready], means: Means, directory: Path,
    directories: int,
) -> None:  # fmt: skip
    """Print the cohorts with their engines, what trains alone and why, the time and the disk."""
    counts = [f"{runs(plan.todo)} to train"]
    counts += [f"{len(plan.done):,} already there"] if plan.done else []
    counts += [f"{len(plan.repeated):,} given twice, trained once"] if plan.repeated else []
    counts += [f"{len(plan.failed):,} invalid"] if plan.failed else []
    console.print("Sweep: " + ", ".join(counts) + "\n", style="bold", soft_wrap=True)
    if ready:
        title = f"Cohorts, {means.workers} at a time on {means.device}"
        table = _table(console, title, "cohort", "runs", "parts", "steps", "engine", "about", "")
        for group in ready[:FEW]:
            table.add_row(
                group.group.title, f"{len(group.group.jobs):,}", str(group.parts),
                f"{group.steps:,}", group.lowered.name,
                duration(group.seconds / min(means.workers, group.parts)), group.note,
            )  # fmt: skip
        print_table(console, table)
        if len(ready) > FEW:
            console.print(f"… and {len(ready) - FEW} more cohorts")
        console.print()
    if plan.alone:
        table = _table(console, "Alone, through Lightning", "reason", "runs")
        for reason, count in Counter(reason for _, reason in plan.alone).items():
            table.add_row(reason, f"{count:,}")
        print_table(console, table)
        console.print()
    if plan.todo:
        console.print(f"{_estimate(plan, ready, means, directories)} in {directory}\n",
                      soft_wrap=True)  # fmt: skip
    if plan.failed:
        warn(console, f"Cannot be: {first_error(plan.failed)}\n")


def _estimate(plan: Plan, ready: Sequence[Ready], means: Means, directories: int) -> str:
    """What a plan will take on this machine."""
    # Rows and files are made in Python, of which only one thread runs at a time.
    seconds = max(
        expected_seconds(plan, ready) / means.workers,
        max((g.seconds / g.parts for g in ready), default=0.0),
        PER_RUN * plan.todo,
    )
    disk = sum(g.row_bytes * len(g.group.jobs) for g in ready) + ALONE_BYTES * len(plan.alone)
    disk += DIRECTORY_BYTES * min(plan.todo, directories if plan.todo <= directories else 10)
    return f"{'' if seconds < 1 else 'about '}{duration(seconds)} and {size(disk)} on disk"


def show_summary(
    console: Console, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard | None,
    unit: str = "",
) -> None:  # fmt: skip
    """Print how many runs ended how, the settings ranked over seeds, and the best setting.

    unit: what is said behind the metric's name.
    """
    counts = dict(table.group_by("status").len().iter_rows())
    text = ", ".join(f"{counts[s]:,} {s}" for s in ("completed", "stopped", "diverged", "failed")
                     if s in counts)  # fmt: skip
    console.print(f"\n{runs(len(table))}: {text}\n", style="bold", soft_wrap=True)
    if standard is None or not ranked:
        return
    has_seeds = max(r.n for r in ranked) > 1
    title = f"Settings by {standard.text}{unit} over seeds" if has_seeds else (
        f"Settings by {standard.metric}{unit}")  # fmt: skip
    console.print(title, style="bold", soft_wrap=True)
    others = beside(table.columns, standard.metric)
    columns = {name: [*values] for name, values in _columns(table, ranked[:FEW], standard, others)}
    shown = _table_of(columns)
    for left_out in (*others[:0:-1], "epochs to it", "share", *others[:1]):
        if natural_width(console, shown) <= console.width:
            break
        columns.pop(left_out, None)  # where the terminal is narrow
        shown = _table_of(columns)
    print_table(console, shown)
    if len(ranked) > FEW:
        console.print(f"… and {len(ranked) - FEW} more settings")
    console.print()
    for line in [*said_of_success(ranked, standard), *said_of_best(ranked, standard)]:
        console.print(line, soft_wrap=True)
    best = ranked[0]
    if best.best_job is not None and not best.stopped:
        row = table.row(by_predicate=pl.col("job") == best.best_job, named=True)
        seed = f" seed={row['seed']}" if "seed" in row and "seed" not in best.setting else ""
        settings = " ".join(filter(None, (setting_text(best.setting), seed.strip())))
        console.print(f"best run of the best setting: {row['job']}, {standard.metric} "
                      f"{row[standard.metric]:.6g}  {settings}", soft_wrap=True)  # fmt: skip


def _table_of(columns: Mapping[str, Sequence[str]]) -> Table:
    shown = new_table(*columns, numbers=True)
    for cells in zip(*columns.values(), strict=True):
        shown.add_row(*cells)
    return shown


def beside(columns: Sequence[str], metric: str) -> list[str]:
    """The metrics that stand beside the one that is ranked by: of the other split, accuracies."""
    split, _, name = metric.removeprefix("best/").partition("/")
    front = "best/" if metric.startswith("best/") else ""
    other = {"val": "train", "train": "val"}.get(split)
    wanted = [f"{front}{s}/{n}" for n in (name, "accuracy") for s in (split, other)]
    return [m for m in dict.fromkeys(wanted) if m in columns and m != metric]


def _columns(
    table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard, others: Sequence[str]
) -> Iterator[tuple[str, Iterable[str]]]:
    """The columns of the ranking: heading, and a text for each setting."""
    if not ranked[0].setting:
        yield "setting", ["all"] * len(ranked)
    for key in ranked[0].setting:
        yield key, [cell(r.setting[key]) for r in ranked]
    yield "n", [str(r.n) for r in ranked]
    if standard.by != "success":
        yield standard.metric, [worth_text(r.worth, ".4g") for r in ranked]
        if any(r.interval for r in ranked):
            yield interval_title(ranked, standard), [interval_text(r.interval) for r in ranked]
    if any(r.succeeded is not None for r in ranked):
        yield "success", [_share(r) for r in ranked]
        if any(r.n >= FEWEST for r in ranked):
            yield "share", [share_text(r.share) for r in ranked]
        if any(r.epochs is not None for r in ranked):
            yield "epochs to it", [epochs_text(r) for r in ranked]
    if standard.by == "success":
        yield standard.metric, [worth_text(r.median, ".4g") for r in ranked]
    medians = [_medians(table, r, others) for r in ranked]
    for i, name in enumerate(others):
        yield name, [worth_text(some[i], ".4g") for some in medians]
    if any(r.diverged or r.failed for r in ranked):
        failed = [f" (+{r.failed} failed)" if r.failed else "" for r in ranked]
        yield "diverged", [str(r.diverged or "") + f for r, f in zip(ranked, failed, strict=True)]
    if any(r.stopped for r in ranked):
        yield "stopped", [r.ended for r in ranked]


def _share(r: Ranked) -> str:
    return "" if r.succeeded is None or not r.n else f"{r.succeeded} of {r.n}"


def _medians(table: pl.DataFrame, r: Ranked, names: Sequence[str]) -> list[float | None]:
    """The medians of other metrics over all runs of a setting."""
    if r.n == 0 or not names:
        return [None] * len(names)
    values = [Standard(name).value().alias(name) for name in names]
    rows = table.filter(of_setting(r))
    if has_folds(table):
        rows = rows.with_columns(values).group_by([k for k in SEEDS if k in rows.columns] or
                                                  pl.lit(1)).agg(pl.col(names).mean())  # fmt: skip
        return [*rows.select(names).median().row(0)]
    return [*rows.select(values).median().row(0)]
