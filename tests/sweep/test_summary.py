"""What the end of a sweep says: the ranking, at any width of the terminal."""

import io

import polars as pl
import pytest

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.terminal.tables import PlainConsole
from small_nets.sweep.results.normalised import unit_of
from small_nets.sweep.results.ranking import rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.summary import beside, show_summary

LOSS = Standard("val/loss")
SPLITS = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")


@pytest.mark.parametrize(
    ("columns", "metric", "wanted"),
    [
        (SPLITS, "val/loss", ["train/loss", "val/accuracy", "train/accuracy"]),
        (SPLITS, "val/accuracy", ["train/accuracy"]),
        (SPLITS[:2], "val/loss", ["train/loss"]),
        (("train/loss",), "train/loss", []),
        (("train/loss", "train/accuracy"), "train/loss", ["train/accuracy"]),
        (("best/val/loss", "best/train/loss", *SPLITS), "best/val/loss", ["best/train/loss"]),
        (("val/r2", "train/r2", "val/loss"), "val/r2", ["train/r2"]),
    ],
)
def test_what_stands_beside(columns: tuple[str, ...], metric: str, wanted: list[str]) -> None:
    assert beside(columns, metric) == wanted


@pytest.mark.parametrize("width", [80, 120])
def test_a_ranking(width: int) -> None:
    """Medians over all runs; the metric and its interval at any width."""
    table = pl.DataFrame(
        {
            "job": range(10), "status": ["completed"] * 9 + ["diverged"], "seed": [*range(5)] * 2,
            "optimizer.lr": [0.1] * 5 + [0.2] * 5,
            **{name: [i + 0.1 * j for j in range(9)] + [9.0] for i, name in enumerate(SPLITS)},
        }
    )  # fmt: skip
    ranked, text = rank(table, ["seed", "optimizer.lr"], LOSS), io.StringIO()
    show_summary(PlainConsole(file=text, width=width), table, ranked, LOSS, " (normalised)")
    lines = text.getvalue().splitlines()
    assert "Settings by median val/loss (normalised) over seeds" in lines
    heading = next(line for line in lines if line.startswith("optimizer.lr"))
    first = next(line for line in lines if line.startswith("0.1 "))
    assert len(heading) <= width
    for name, value in (
        ("val/loss", "1.2"),
        ("95% interval", "1 to 1.4 (94%)"),
        ("train/loss", "0.2"),
    ):
        end = heading.index(name) + len(name)
        assert first[:end].endswith(value)
    if width == 120:
        assert first.split()[-2:] == ["3.2", "2.2"]
        assert heading.split()[-3:] == ["val/accuracy", "train/accuracy", "diverged"]


@pytest.mark.parametrize(
    ("overrides", "metric", "wanted"),
    [
        (["+experiment=sine"], "val/loss", " (normalised)"),
        (["+experiment=sine", "data.normalize_target=none"], "val/loss", ""),
        (["+experiment=circles"], "val/loss", ""),
        (["+experiment=sine"], "val/rmse", ""),
        (["+experiment=sine"], None, ""),
    ],
)
def test_normalised(overrides: list[str], metric: str | None, wanted: str) -> None:
    settings, _ = compose_settings(*overrides, "logger=none")
    assert unit_of(settings, metric) == wanted
    if metric == "val/loss":
        assert build(settings).data.is_target_normalised == bool(wanted)
