"""The report for those who go on elsewhere: tables, and a text for a document."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from src.page.contents import MOST_LOST, head, lost_runs
from src.sweep.files import write_whole
from src.sweep.ranking import Ranked, compare, is_alike
from src.sweep.store import Store
from src.values import show


def ranking_table(ranked: Sequence[Ranked]) -> pl.DataFrame:
    """A row for each setting, best first; swept keys as their own columns.

    alike: cannot be told from the best (true for the best itself); null where too few seeds are
    shared.
    """
    found = compare(ranked[0], ranked)
    alike = [is_alike(f, first=i == 0) for i, f in enumerate(found)]
    names = ("n", "mean", "sd", "low", "high", "median", "diverged", "failed", "best_job")
    return pl.DataFrame(
        {"rank": range(1, len(ranked) + 1)}
        | {key: [r.setting[key] for r in ranked] for key in ranked[0].setting}
        | {name: [getattr(r, name) for r in ranked] for name in names}
        | {"alike": alike},
        strict=False,
    )


def export(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], metric: str, form: str
) -> list[Path]:
    """form: csv, parquet or md. The files written, in the sweep's directory. Raises OSError."""
    if form == "md":
        path = store.directory / "report.md"
        text = _markdown(store, table, ranked, metric)
        write_whole(path, lambda p: p.write_text(text))
        return [path]
    written = []
    for name, content in {"ranking": ranking_table(ranked), "runs": table}.items():
        path = store.directory / f"{name}.{form}"
        write_whole(path, content.write_csv if form == "csv" else content.write_parquet)
        written.append(path)
    return written


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else show(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *([_cell(v) for v in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def _markdown(store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], metric: str) -> str:
    about = head(store, table)
    counts = ", ".join(f"{n:,} {status}" for status, n in about["counts"].items() if n)
    lines = [f"# {', '.join(about['experiments'])}: {len(table):,} runs", ""]
    lines += [f"    {about['command']}", ""] if about["command"] else []
    lines += [f"{counts}." + (f" Begun {about['date']}." if about["date"] else ""), ""]
    lines += [f"## Settings by mean {metric}", "",
              "n, mean, sd, median: over completed runs; low and high: 95 % bootstrap interval of "
              "the mean; alike: cannot be told from the best, paired over seeds.", ""]  # fmt: skip
    ranking = ranking_table(ranked)
    lines += _rows(ranking.columns, ranking.rows())
    lost = lost_runs(table)
    if len(lost):
        lines += ["## Failures and divergences", ""]
        lines += _rows(lost.columns, lost.head(MOST_LOST).rows())
    return "\n".join(lines)
