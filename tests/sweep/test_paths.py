"""paths.png of a sweep: the paths of its settings on one surface of two numbers."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.pictures import paths
from small_nets.run.spec import Run
from small_nets.sweep.results import overlays
from tests.conftest import Swept

SADDLE = ("+experiment=saddle", "trainer.max_epochs=60")


def runs(*overrides: str, of: tuple[str, ...]) -> dict[str, Run]:
    return {one: build(compose_settings(*overrides, *one.split())[0]) for one in of}


def drawn_paths(figure: Figure) -> dict[str, np.ndarray]:
    lines = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in lines}


def test_each_path_is_the_training_of_its_setting() -> None:
    found = runs(*SADDLE, of=("optimizer=sgd", "optimizer=momentum"))
    figure = paths.draw_paths(found, "two")
    assert figure is not None
    lines = drawn_paths(figure)
    assert lines.keys() == found.keys()
    by_hand = [(1.0, 0.0001)]
    for _ in range(60):
        u, v = by_hand[-1]
        by_hand.append((u - 0.05 * u, v - 0.05 * (v**3 - v)))
    np.testing.assert_allclose(lines["optimizer=sgd"], by_hand, atol=1e-5)
    other = lines["optimizer=momentum"]
    assert len(other) == 61
    assert abs(other[-1, 1]) > 10 * abs(by_hand[-1][1])  # it is away from the ridge sooner
    # All of every path lies within the picture, and each has its start and its end.
    ax = figure.axes[0]
    for path in lines.values():
        for column, (low, high) in zip(path.T, (ax.get_xlim(), ax.get_ylim()), strict=True):
            assert ((low < column) & (column < high)).all()
        places = [np.asarray(c.get_offsets()) for c in ax.collections]
        assert any(p.shape == (1, 2) and np.allclose(p, path[0]) for p in places)
        assert any(p.shape == (1, 2) and np.allclose(p, path[-1]) for p in places)


@pytest.mark.parametrize(("overrides", "of", "is_one"), [
    (SADDLE, ("optimizer=sgd", "optimizer=adam"), True),
    (SADDLE, ("model.start=[1,0.1]", "model.start=[1,0.2]"), True),
    (SADDLE, ("seed=1", "seed=2 model.start=null"), True),
    (SADDLE, ("loss=mse", "loss=mse_by_hand"), False),
    (SADDLE, ("trainer.max_epochs=10", "trainer.max_epochs=10000"), False),  # it would take long
    (("+experiment=temperature_linear", "trainer.max_epochs=9"), ("seed=1", "seed=2"), False),
    (("+experiment=temperature_linear", "trainer.max_epochs=9"),
     ("seed=1 data.split_seed=3", "seed=2 data.split_seed=3"), True),
    (("+experiment=one_sample",), ("seed=1", "seed=2"), False),
    (("+experiment=weather",), ("seed=1", "seed=2"), False),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value))  # fmt: skip
def test_which_runs_share_a_surface(
    overrides: tuple[str, ...], of: tuple[str, ...], is_one: bool
) -> None:
    assert paths.have_one_surface(runs(*overrides, of=of)) == is_one


def test_a_sweep_of_a_saddle_has_the_picture(
    sweep: Callable[..., Swept], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {}
    monkeypatch.setattr(overlays, "save_png", lambda figure, path: drawn.update({path: figure}))
    done = sweep(*SADDLE, "optimizer=sgd,momentum,adam", "logger=none", "pictures=few")
    path = done.store.directory / "paths.png"
    assert str(path) in done.text
    lines = drawn_paths(drawn[path])
    assert set(lines) == {f"optimizer={name}" for name in ("sgd", "momentum", "adam")}
    ends = {row["optimizer"]: row["train/loss"] for row in done.table.iter_rows(named=True)}
    for label, line in lines.items():
        u, v = line[-1]
        loss = u**2 / 2 + (v**2 - 1) ** 2 / 4
        assert loss == pytest.approx(ends[label.removeprefix("optimizer=")], rel=1e-3)


def test_other_sweeps_have_none(sweep: Callable[..., Swept]) -> None:
    one = sweep(*SADDLE, "seed=1,2", "logger=none", "pictures=few")  # one setting
    assert not (one.store.directory / "paths.png").exists()
