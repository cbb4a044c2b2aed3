"""fit.png of a sweep: which of its settings it shows, and how."""

from collections.abc import Callable

import numpy as np
import pytest

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.figures.maps import BOUNDARY
from small_nets.run.spec import Run
from small_nets.sweep.results import overlays
from small_nets.sweep.results.overlays import fits_figure
from tests.conftest import Swept

Sweep = Callable[..., Swept]
CLASSES = (
    "+experiment=one_sample", "loss=cross_entropy", "data.source.task=classes", "data.probe=null",
    "data.source.inputs=[[0,0],[1,1],[0,1]]", "data.source.targets=[[1,0,0],[0,1,0],[0,0,1]]",
)  # fmt: skip
SUM = (
    "+experiment=feature_sum", "data.source.inputs=[[1,2],[3,5]]", "data.source.targets=[[3],[8]]",
)  # fmt: skip


def runs(count: int, *overrides: str) -> dict[str, Run]:
    return {f"seed {i}": build(compose_settings(*overrides, f"seed={i}")[0]) for i in range(count)}


def panels(found: dict[str, Run]) -> list[str]:
    """The titles of the panels that have a map."""
    figure = fits_figure(found, dict.fromkeys(found, "val/loss 0.5"), "a sweep")
    return [] if figure is None else [ax.get_title() for ax in figure.axes if ax.images]


@pytest.mark.parametrize("overrides", [
    ("+experiment=circles",), ("+experiment=xor", "model.width=2"), CLASSES, SUM,
])  # fmt: skip
def test_each_setting_of_two_inputs_has_a_map(overrides: tuple[str, ...]) -> None:
    assert panels(runs(3, *overrides)) == [f"seed {i}\nval/loss 0.5" for i in range(3)]


def test_every_map_shows_the_rows_of_its_own_run_on_one_plane() -> None:
    found = runs(2, "+experiment=circles", "model.width=1")
    figure = fits_figure(found, dict.fromkeys(found, ""), "")
    assert figure is not None
    first, second = (ax for ax in figure.axes if ax.images)
    assert (first.get_xlim(), first.get_ylim()) == (second.get_xlim(), second.get_ylim())
    rows = []
    for ax in (first, second):
        assert ax.get_aspect() == 1
        marks = [c for c in ax.collections if c.get_gid() != BOUNDARY]
        rows.append(np.concatenate([np.asarray(c.get_offsets()) for c in marks]))
        low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
        assert ((low < rows[-1]) & (rows[-1] < high)).all()
    assert not np.array_equal(*rows)


def test_curves_share_a_panel_and_other_fits_have_none() -> None:
    curves = runs(2, "+experiment=proportional")
    figure = fits_figure(curves, dict.fromkeys(curves, ""), "")
    assert figure is not None
    assert len(figure.axes) == 1
    assert panels(runs(2, "+experiment=feature_sum")) == []
    mixed = runs(1, "+experiment=xor") | {"curve": curves["seed 0"]}
    assert panels(mixed) == []
    assert panels({}) == []


def test_a_sweep_of_many_settings_has_the_maps_of_its_best(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlays, "MOST", 2)
    monkeypatch.setattr(overlays, "MOST_MAPS", 3)
    monkeypatch.setattr("small_nets.run.figures.figure.DPI", 40)
    drawn = []
    monkeypatch.setattr(overlays, "save_png", lambda figure, path: drawn.append((path, figure)))
    done = sweep("+experiment=xor", "optimizer.lr=0.1,0.2,0.3,0.4", "trainer.max_epochs=2",
                 "logger=none", "sweep.directories=0", "pictures=few")  # fmt: skip
    ((path, figure),) = drawn
    assert path == done.store.directory / "fit.png"
    assert figure.get_suptitle() == "xor: the best 3 of 4 settings"
    assert [ax.get_title().split()[0] for ax in figure.axes if ax.images] == [
        f"lr={rate}" for rate in done.table.sort("train/loss")["optimizer.lr"][:3]
    ]
