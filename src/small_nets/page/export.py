"""The report for those who go on elsewhere: tables, and a text for a document."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from small_nets.page.contents import MOST_LOST, head, lost_runs
from small_nets.run.outputs.provenance import MARK, refuse_foreign, write_recorded
from small_nets.stats.summary import quantile
from small_nets.sweep.results.ranking import Ranked
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import EPOCHS, SUCCEEDED
from small_nets.sweep.results.told_apart import beside_best
from small_nets.sweep.results.words import said_of_best, said_of_success
from small_nets.sweep.store.columns import as_column, cell, column_type
from small_nets.sweep.store.store import Store
from small_nets.system.atomic_file import write_whole

QUANTILES = {"q10": 0.1, "q25": 0.25, "q75": 0.75, "q90": 0.9}


def ranking_table(ranked: Sequence[Ranked], standard: Standard) -> pl.DataFrame:
    """A row for each setting, best first; swept keys as their own columns.

    worth: what settings are ranked by, infinite where it is worse than any number; low, high,
    confidence: its interval. alike: cannot be told from the best (true for the best itself); null
    where too few seeds are shared. q10 to q90: quantiles of the metric, infinite where so many runs
    are lost. wins: in how many of `shared` seeds the best is better. typed:
    what was given to keys whose columns do not hold it, of a setting that failed.
    """
    beside = beside_best(ranked, standard)
    if beside and ranked[0].n:
        beside[0] = replace(beside[0], is_told=False)
    intervals, shares = [r.interval for r in ranked], [r.share for r in ranked]
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
        | {
            "n": [r.n for r in ranked],
            "ranked_by": [standard.text] * len(ranked),
            "worth": [r.worth for r in ranked],
        }
        | {
            name: [getattr(i, name, None) for i in intervals]
            for name in ("low", "high", "confidence")
        }
        | {
            "succeeded": [r.succeeded for r in ranked],
            "share_low": [getattr(s, "low", None) for s in shares],
            "share_high": [getattr(s, "high", None) for s in shares],
            "epochs_to_success": [r.epochs for r in ranked],
        }
        | {
            name: [getattr(r, name) for r in ranked]
            for name in ("median", "mean", "sd", "diverged", "failed", "best_job")
        }
        | {
            name: [float(quantile(r.values, share)) if r.n else None for r in ranked]
            for name, share in QUANTILES.items()
        }
        | {
            "alike": [b.is_alike for b in beside],
            "wins": [b.wins for b in beside],
            "shared": [b.seeds for b in beside],
        },
        strict=False,
    )


def export(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard, form: str
) -> list[Path]:
    """The files written, in the sweep's directory. Raises OSError. form: csv, parquet or md."""
    if form == "md":
        path = store.directory / "report.md"
        refuse_foreign([path])
        text = _markdown(store, table, ranked, standard)
        write_whole(path, f"{text}\n<!-- {MARK} -->\n")
        return [path]
    written = []
    for name, content in {"ranking": ranking_table(ranked, standard), "runs": named(table)}.items():
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


def named(table: pl.DataFrame) -> pl.DataFrame:
    """A runs table with the columns that `with_success` adds, by names that can be typed."""
    found = {SUCCEEDED: "succeeded", EPOCHS: "epochs_to_success"}
    return table.rename({old: new for old, new in found.items() if old in table.columns})


def _markdown(
    store: Store, table: pl.DataFrame, ranked: Sequence[Ranked], standard: Standard
) -> str:
    about = head(store, table)
    counts = ", ".join(f"{n:,} {status}" for status, n in about["counts"].items() if n)
    lines = [f"# {', '.join(about['experiments'])}: {len(table):,} runs", ""]
    lines += [f"    {about['command']}", ""] if about["command"] else []
    lines += [f"{counts}." + (f" Begun {about['date']}." if about["date"] else ""), ""]
    lines += [f"Left out: {said}.\n" for said in store.lost()]
    lines += [f"## Settings by {standard.text}", "",
              "A run that diverged or failed is worse than any number. low, high: the interval of "
              "what the settings are ranked by, and how surely it holds; alike: cannot be told "
              "from the best.", ""]  # fmt: skip
    lines += [
        f"{said}\n"
        for said in [*said_of_success(ranked, standard), *said_of_best(ranked, standard)]
    ]
    ranking = ranking_table(ranked, standard).drop("ranked_by", *QUANTILES)
    lines += _rows(ranking.columns, ranking.rows())
    lost = lost_runs(table)
    if len(lost):
        lines += ["## Failures and divergences", ""]
        lines += _rows(lost.columns, lost.head(MOST_LOST).rows())
    return "\n".join(lines)
