"""The page: one HTML file with everything in it."""

import html
import json
from pathlib import Path
from typing import Any

import polars as pl
from plotly.offline import get_plotlyjs

from src.page.contents import contents
from src.page.curves import bands, remarkable, shown_settings, single
from src.page.fits import fits
from src.page.search import search
from src.sweep.files import write_whole
from src.sweep.store import Store

HERE = Path(__file__).parent
SCRIPTS = ("base", "charts", "tables", "compare", "seeds", "curves", "fits", "search", "main")


def write_page(store: Store, table: pl.DataFrame, metric: str) -> Path:
    """report.html in the sweep's directory. Raises OSError."""
    path, text = store.directory / "report.html", page(store, table, metric)
    write_whole(path, lambda p: p.write_text(text, encoding="utf-8"))
    return path


def page(store: Store, table: pl.DataFrame, metric: str) -> str:
    """The report of a sweep as HTML.

    metric: what settings are ranked by at first.
    """
    data, runs = contents(store, table, metric)
    names = [m["name"] for m in data["metrics"] if not m["name"].startswith("best/")]
    shown = shown_settings(len(data["settings"]))
    extremes = remarkable(runs, metric)
    data |= {
        "curves": bands(store, runs, shown, names),
        "extremes": single(store, extremes, names),
        "fits": fits(store, extremes),
        "search": search(store.directory, data["notes"]),
    }
    title = f"{', '.join(data['head']['experiments'])}: {len(table):,} runs"
    return _assemble(title, data)


def _assemble(title: str, data: dict[str, Any]) -> str:
    # No "<" inside the data: a message may hold "</script>".
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    scripts = "\n".join((HERE / f"{name}.js").read_text() for name in SCRIPTS)
    parts = {
        "title": html.escape(title),
        "style": (HERE / "page.css").read_text(),
        "plotly": get_plotlyjs().replace("</script", "<\\/script"),
        "data": text,
        "script": f'"use strict";\n(() => {{\n{scripts}\n}})();',
    }
    whole = (HERE / "page.html").read_text()
    for name, part in parts.items():
        before, mark, after = whole.partition(f"<!-- {name} -->")
        assert mark, f"page.html has no place for {name}"
        whole = before + part + after
    return whole
