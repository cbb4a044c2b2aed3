"""The report for those who go on elsewhere: tables, and a text for a document."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from small_nets.page.contents import MOST_LOST, head, lost_runs
from small_nets.run.outputs.provenance import MARK, refuse_foreign, write_recorded
from small_nets.sweep.results.ranking import Ranked, compare, is_alike
from small_nets.sweep.store.columns import as_column, cell, column_type
from small_nets.sweep.store.store import Store
from small_nets.system.atomic_file import write_whole


def ranking_table(ranked: Sequence[Ranked]) -> pl.DataFrame:
    """A row for each setting, best first; swept keys as their own columns.

    alike: cannot be told from the best (true for the best itself); null where too few seeds are
    shared. typed: what was given to keys whose columns do not hold it, of a setting that failed.
    """
    found = compare(ranked[0], ranked)
    alike = [is_alike(f, first=i == 0) for i, f in enumerate(found)]
    names = ("n", "mean", "sd", "low", "high", "median", "diverged", "failed", "best_job")
    kinds = {key: column_type(key) for key in ranked[0].setting}
    columns = {
        key: pl.Series([r.setting[key] if kind == pl.String else as_column(r.setting[key], kind)
                        for r in ranked], dtype=kind)
        for key, kind in kinds.items()
    }  # fmt: skip
    typed = [" ".join(f"{k}={v}" for k, v in r.setting.items()
                      if isinstance(v, str) and kinds[k] != pl.String) for r in ranked]  # fmt: skip
    return pl.DataFrame(
        {"rank": range(1, len(ranked) + 1)}
        | columns
        | ({"typed": typed} if any(typed) else {})
        | {name: [getattr(r, name) for r in ranked] for name in names}
        | {"alike": alike},
        strict=False,
    )


def export(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], metric: str, form: str,
    title: str | None = None,
) -> list[Path]:  # fmt: skip
    """The files written, in the sweep's directory. Raises OSError.

    form: csv, parquet or md. title: what the settings are ordered by, in words.
    """
    if form == "md":
        path = store.directory / "report.md"
        refuse_foreign([path])
        text = _markdown(store, table, ranked, title or f"mean {metric}")
        write_whole(path, f"{text}\n<!-- {MARK} -->\n")
        return [path]
    written = []
    for name, content in {"ranking": ranking_table(ranked), "runs": table}.items():
        path = store.directory / f"{name}.{form}"
        write_recorded(path, content.write_csv if form == "csv" else content.write_parquet)
        written.append(path)
    return written


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else cell(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *([_cell(v) for v in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def _markdown(store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], title: str) -> str:
    about = head(store, table)
    counts = ", ".join(f"{n:,} {status}" for status, n in about["counts"].items() if n)
    lines = [f"# {', '.join(about['experiments'])}: {len(table):,} runs", ""]
    lines += [f"    {about['command']}", ""] if about["command"] else []
    lines += [f"{counts}." + (f" Begun {about['date']}." if about["date"] else ""), ""]
    lines += [f"Left out: {said}.\n" for said in store.lost()]
    lines += [f"## Settings by {title}", "",
              "n, mean, sd, median: over completed runs; low and high: 95 % bootstrap interval of "
              "the mean; alike: cannot be told from the best, paired over seeds.", ""]  # fmt: skip
    ranking = ranking_table(ranked)
    lines += _rows(ranking.columns, ranking.rows())
    lost = lost_runs(table)
    if len(lost):
        lines += ["## Failures and divergences", ""]
        lines += _rows(lost.columns, lost.head(MOST_LOST).rows())
    return "\n".join(lines)
