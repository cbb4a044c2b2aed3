"""The page: one HTML file with everything in it."""

import html
import json
from pathlib import Path
from typing import Any

import polars as pl
from plotly.offline import get_plotlyjs

from small_nets.page.confirmed import confirmed
from small_nets.page.contents import contents
from small_nets.page.curves import bands, extreme_runs, shown_settings, single_curves
from small_nets.page.endings import endings
from small_nets.page.fits import fits
from small_nets.page.importance import importances
from small_nets.page.profiles import profiles
from small_nets.page.search import search
from small_nets.run.outputs.provenance import refuse_foreign
from small_nets.sweep.jobs.grid import FOLD
from small_nets.sweep.results.spread import said_of_runs
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store
from small_nets.system.atomic_file import write_whole

HERE = Path(__file__).parent
SCRIPTS = ("base", "charts", "bands", "tables", "find", "map", "compare", "seeds", "endings",
           "curves", "fits", "search", "profiles", "importance", "main")  # fmt: skip


def write_page(store: Store, table: pl.DataFrame, standard: Standard) -> Path:
    """report.html in the sweep's directory. Raises InputError, OSError."""
    path = store.directory / "report.html"
    refuse_foreign([path])
    write_whole(path, page(store, table, standard))
    return path


def page(store: Store, table: pl.DataFrame, standard: Standard) -> str:
    """The report of a sweep as HTML.

    table: with what `with_success` adds. standard: what settings are ranked by at first.
    """
    data, runs, rankings = contents(store, table, standard)
    ranked = rankings[standard.metric]
    names = [m["name"] for m in data["metrics"] if not m["name"].startswith("best/")]
    shown = shown_settings(len(data["settings"]))
    extremes = extreme_runs(runs, standard, ranked[0].best_job if ranked else None)
    data |= {
        "curves": bands(store, runs, shown, names),
        "curve_limit": len(shown),
        "extremes": single_curves(store, extremes, names),
        "fits": fits(store, extremes),
        "search": search(store, data["notes"]),
        "profiles": profiles(store, runs, rankings, standard),
        "profile_of": "seeds" if FOLD in store.swept else "runs",
        "importances": {} if "study" in store.about else importances(rankings, standard),
    }
    data["endings"] = endings(runs, standard)
    data["runs_said"] = [*said_of_runs(store, table, ranked, standard)]
    data["confirmed"] = confirmed(store, ranked, standard)
    data["notes"] += [f"Left out: {said}." for said in store.lost()]
    title = f"{', '.join(data['head']['experiments'])}: {len(table):,} runs"
    return _assemble(title, data)


def _assemble(title: str, data: dict[str, Any]) -> str:
    # No "<" inside the data: a message may hold "</script>".
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    scripts = "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    parts = {
        "title": html.escape(title),
        "style": (HERE / "page.css").read_text(encoding="utf-8"),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
        "data": text,
        "script": f'"use strict";\n(() => {{\n{scripts}\n}})();',
    }
    whole = (HERE / "page.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        before, mark, after = whole.partition(f"<!-- {name} -->")
        assert mark, f"page.html has no place for {name}"
        whole = before + part + after
    return whole
