"""What a sweep prints: the plan, and the summary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from small_nets.config.sweep_schema import UNITS
from small_nets.run.terminal.tables import natural_width, new_table, print_table, warn
from small_nets.sweep.cohorts.prepare import Means, Ready
from small_nets.sweep.jobs.plan import Plan
from small_nets.sweep.jobs.whole_sweep import first_error
from small_nets.sweep.results.ranking import (
    Ranked,
    compare,
    counted_in,
    has_finite,
    is_better_high,
    is_clear,
    setting_text,
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
    console: Console, table: pl.DataFrame, ranked: Sequence[Ranked], metric: str | None,
    unit: str = "",
) -> None:  # fmt: skip
    """Print how many runs ended how, the settings ranked over seeds, and the best run.

    unit: what is said behind the metric's name.
    """
    counts = dict(table.group_by("status").len().iter_rows())
    text = ", ".join(f"{counts[s]:,} {s}" for s in ("completed", "stopped", "diverged", "failed")
                     if s in counts)  # fmt: skip
    console.print(f"\n{runs(len(table))}: {text}\n", style="bold", soft_wrap=True)
    if metric is None or not ranked:
        return
    keys = list(ranked[0].setting)
    seeds = max(r.n for r in ranked) > 1
    console.print(f"Settings by mean {metric}{unit}" + (" over seeds" if seeds else ""),
                  style="bold", soft_wrap=True)  # fmt: skip
    others = beside(table.columns, metric)
    columns = {name: [*values] for name, values in _columns(table, ranked[:FEW], metric, others)}
    shown = _table_of(columns)
    for left_out in ("sd", *others[:0:-1]):  # where the terminal is narrow
        if natural_width(console, shown) <= console.width:
            break
        columns.pop(left_out, None)
        shown = _table_of(columns)
    print_table(console, shown)
    if len(ranked) > FEW:
        console.print(f"… and {len(ranked) - FEW} more settings")
    if len(ranked) < 2 or ranked[1].n == 0:
        console.print()
    else:
        _show_comparison(console, ranked, metric)
    best = table.filter(has_finite(metric)).sort(metric, descending=is_better_high(metric))
    if len(best):
        row = best.row(0, named=True)
        settings = setting_text({key: row[key] for key in keys})
        seed = f" seed={row['seed']}" if "seed" in row and "seed" not in keys else ""
        console.print(f"best run: {row['job']}, {metric} {row[metric]:.6g}  {settings}{seed}",
                      soft_wrap=True)  # fmt: skip


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
    table: pl.DataFrame, ranked: Sequence[Ranked], metric: str, others: Sequence[str]
) -> Iterator[tuple[str, Iterable[str]]]:
    """The columns of the ranking: heading, and a text for each setting."""
    if not ranked[0].setting:
        yield "setting", ["all"] * len(ranked)
    for key in ranked[0].setting:
        yield key, [cell(r.setting[key]) for r in ranked]
    yield "n", [str(r.n) for r in ranked]
    yield metric, ["" if r.n == 0 else f"{r.mean:.4g}" for r in ranked]
    if any(r.n > 1 for r in ranked):
        yield "sd", ["" if r.sd is None else f"{r.sd:.3g}" for r in ranked]
        yield (
            "95 % interval",
            ["" if r.low is None else f"{r.low:.3g} to {r.high:.3g}" for r in ranked],
        )
    means = [_means(table, r, metric, others) for r in ranked]
    for i, name in enumerate(others):
        yield name, ["" if (v := some[i]) is None else f"{v:.4g}" for some in means]
    if any(r.diverged or r.failed for r in ranked):
        failed = [f" (+{r.failed} failed)" if r.failed else "" for r in ranked]
        yield "diverged", [str(r.diverged or "") + f for r, f in zip(ranked, failed, strict=True)]
    if any(r.stopped for r in ranked):
        yield "stopped", [r.ended for r in ranked]


def _means(table: pl.DataFrame, r: Ranked, metric: str, names: Sequence[str]) -> list[float | None]:
    """Of other metrics, over the runs that the ranking's mean is of."""
    if r.n == 0:
        return [None] * len(names)
    if not names:
        return []
    return [*table.filter(counted_in(r, metric)).select(pl.col(names).mean()).row(0)]


def _show_comparison(console: Console, ranked: Sequence[Ranked], metric: str) -> None:
    (found,) = compare(ranked[0], ranked[1:2])
    if found is None:
        console.print("\nThe best and the second share fewer than two seeds: nothing can be said "
                      "of their difference.", soft_wrap=True)  # fmt: skip
        return
    n, low, high = found
    how = "" if is_clear(found) else "not "
    console.print(
        f"\nThe best is {how}distinguishable from the second: paired over {n} seeds, the second's "
        f"{metric} minus the best's is {low:.3g} to {high:.3g} (95 %).",
        soft_wrap=True,
    )
