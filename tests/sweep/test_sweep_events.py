"""TensorBoard's folder of a sweep: few runs, the best first, each band in a colour of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG

from small_nets.run.outputs.hparams import tag
from small_nets.sweep.results import sweep_events
from small_nets.sweep.results.ranking import Ranked, rank
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.sweep_events import BANDS, FOLDER, SELECTABLE, write_sweep_events
from tests.conftest import Swept

Sweep = Callable[..., Swept]
BASE = ("+experiment=temperature_linear", "trainer.max_epochs=20", "log_every=10")

LOSS = Standard("val/loss")


def runs_in(folder: Path) -> list[str]:
    """The runs that TensorBoard finds, in the order in which it colours them."""
    files = {str(f.parent.relative_to(folder)): f for f in folder.rglob("events.*")}
    began = {}
    for name, file in files.items():
        events = EventAccumulator(str(file))
        events.Reload()
        began[name] = events.FirstEventTimestamp()
    return sorted(files, key=lambda name: (began[name], name))


def test_many_settings(sweep: Sweep) -> None:
    rates = ",".join(f"{0.0001 * (i + 1):.4g}" for i in range(33)) + ",10"
    done = sweep(*BASE, f"optimizer.lr={rates}", "seed=0,1")
    folder = done.store.directory / FOLDER
    ranked = rank(done.table, list(done.store.swept), LOSS)
    wanted = [f"{i + 1:02d} optimizer.lr={r.setting['optimizer.lr']}"
              for i, r in enumerate(ranked)]  # fmt: skip
    assert runs_in(folder) == wanted[:SELECTABLE]
    assert len(list(done.store.directory.rglob("events.*"))) == SELECTABLE
    assert f"tensorboard --logdir {folder}" in done.text
    low = tag("interval/val/loss/low")
    for i, name in enumerate(wanted[:SELECTABLE]):
        events = EventAccumulator(str(folder / name))
        events.Reload()
        assert (low in events.Tags()["scalars"]) == (i < BANDS)
        assert SESSION_START_INFO_TAG in events.PluginTagToContent("hparams")
        assert events.Scalars("val/loss")[-1].value == pytest.approx(ranked[i].median, rel=1e-5)
    # A later end of the sweep leaves nothing of the earlier one.
    write_sweep_events(done.store, done.table, ranked[:1] + ranked[2:] + ranked[1:2], LOSS)
    assert len(runs_in(folder)) == SELECTABLE
    assert runs_in(folder)[1] == f"02 optimizer.lr={ranked[2].setting['optimizer.lr']}"


def test_a_small_sweep_has_its_runs_too(sweep: Sweep) -> None:
    done = sweep(*BASE, "optimizer.lr=0.001,0.01", "seed=0,1")
    found = runs_in(done.store.directory)
    assert found == ["0", "1", "2", "3", *(f"{FOLDER}/{name}" for name in runs_in(
        done.store.directory / FOLDER))]  # fmt: skip
    assert not sweep(*BASE, "logger=none", "seed=0", to="none").text.count("--logdir")


def test_kept_weights_end_the_curve(sweep: Sweep) -> None:
    """With early stopping the runs end at different steps, and keep other weights than the last."""
    stop = "early_stop={patience: 1}"
    done = sweep(*BASE, "trainer.max_epochs=200", "optimizer.lr=0.03", "seed=range(4)", stop)
    (folder,) = (done.store.directory / FOLDER).iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    points = events.Scalars("val/loss")
    assert points[-1].value == pytest.approx(done.table["val/loss"].median(), rel=1e-5)
    assert [p.step for p in points] == sorted({p.step for p in points})


@pytest.mark.parametrize("value", ["a/b", "..", "x" * 500, "é" * 300, "two\nlines", "\x1b[31m"])
def test_any_setting_names_a_folder(value: str) -> None:
    values = np.zeros(1)
    r = Ranked({"data.path": value}, values, 0.0, None, 0.0, None, None, None, 0, 0, {}, 0)
    name = sweep_events._name(0, r)
    assert name.startswith("01 data.path=")
    assert Path(name).name == name
    assert len(name.encode()) < 250
    assert name.isprintable()
