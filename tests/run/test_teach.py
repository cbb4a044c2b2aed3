"""The pictures that teach: which a run has, what is in them, and afterwards from its directory."""

import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small_nets.config import conf_files, defaults_lists
from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.figures.figure import caption, new_figure
from small_nets.run.fit import fit
from small_nets.run.pictures import all_pictures
from small_nets.run.pictures.all_pictures import Lesson, draw_lessons
from small_nets.run.pictures.from_directory import teach
from small_nets.sweep.cohorts.single_run import engine_of
from tests.conftest import Finished, Swept
from tests.run.lessons import lessons_in

CURVE = {"parts.png", "surface.png", "sharpness.png", "training.gif"}


PLANE = {"features.png", "surface.png", "sharpness.png", "training.gif"}


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


KINDS = ("sine", "temperature_linear", "circles", "xor", "spam", "and_gate")


@pytest.mark.every(12)
@pytest.mark.parametrize("name", [
    name if name in KINDS else pytest.param(name, marks=pytest.mark.slow)
    for name in conf_files.experiments()
])  # fmt: skip
def test_every_experiment_has_all_pictures_that_apply(
    name: str, finish: Callable[..., Finished]
) -> None:
    config = defaults_lists.experiment(name)
    trained = config.get("trainer", {}).get("max_epochs", 1) != 0
    done = finish(f"+experiment={name}", "pictures=all",
                  *(["trainer.max_epochs=5", "log_every=1"] if trained else []))  # fmt: skip
    found = lessons_in(done.directory)
    assert done.result.status == "completed"
    if name in ("temperature_mlp", "temperature_wide"):
        assert found == CURVE
    elif name == "sine":
        assert found == CURVE - {"sharpness.png"}  # by Adam
    elif name in ("circles", "moons"):
        assert found == PLANE - {"sharpness.png"}
    elif name == "temperature_linear":
        assert found == CURVE - {"parts.png"}
    elif not trained:
        assert found == set()


@pytest.mark.every(4)
@pytest.mark.parametrize("overrides", [
    ("+experiment=temperature_linear", "optimizer.lr=0.1", "log_every=1"),
    ("+experiment=sine", "data.batch_size=200", "optimizer=sgd", "optimizer.lr=1e30",
     "model.output_activation=identity", "log_every=1"),
    ("+experiment=xor", "model.width=4", "model.activation=relu", "optimizer.lr=1e30"),
    ("+experiment=and_gate_tensors", "seed=6", "trainer.max_epochs=300"),
])  # fmt: skip
def test_a_diverged_run_has_its_pictures(
    overrides: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    done = finish(*overrides, "pictures=all")
    assert done.result.status == "diverged"
    assert "surface.png" not in lessons_in(done.directory)


@pytest.mark.every(2)
@pytest.mark.parametrize("overrides", [
    ("+experiment=xor", "model.width=2", "early_stop={patience: 2}", "log_every=1"),
    ("+experiment=moons", "data.batch_size=50", "scheduler=cosine", "model.activation=relu"),
    ("+experiment=sine", "model.activation=relu", "model.width=30", "scheduler=step",
     "model.init=normal", "model.bias=false"),
    ("+experiment=temperature_mlp", "data.normalize_target=standardize", "data.batch_size=1"),
])  # fmt: skip
def test_every_kind_of_run_has_its_pictures(
    overrides: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    done = finish("trainer.max_epochs=4", *overrides, "pictures=all")
    assert {"surface.png", "training.gif"} <= lessons_in(done.directory)


def test_a_map_of_several_classes(finish: Callable[..., Finished]) -> None:
    done = finish(
        "+experiment=one_sample", "loss=cross_entropy",
        "data.source.inputs=[[0,0],[1,1],[0,1],[1,0]]",
        "data.source.targets=[[1,0,0],[0,1,0],[0,0,1],[0,1,0]]", "data.source.task=classes",
        "model.width=4", "pictures=all", "data.probe=null",
    )  # fmt: skip
    assert lessons_in(done.directory) == {"surface.png", "sharpness.png", "training.gif"}


@pytest.mark.more
def test_the_gif_has_the_frames_promised(finish: Callable[..., Finished]) -> None:
    for name, epochs, frames in (("circles", 45, 40), ("temperature_mlp", 5, 6)):
        done = finish(f"+experiment={name}", f"trainer.max_epochs={epochs}", "log_every=1",
                      "pictures=all")  # fmt: skip
        path = done.directory / "training.gif"
        assert path.stat().st_size < 2e6
        with Image.open(path) as image:
            assert image.n_frames == frames  # type: ignore[attr-defined]
            assert image.info["loop"] == 0
            seconds = 0.0
            for i in range(frames):
                image.seek(i)
                seconds += image.info["duration"] / 1000
        assert 4 <= seconds <= 6


def test_captions_stay_inside_the_figure() -> None:
    for panels in (1, 2, 4):
        figure, _ = new_figure(panels)
        caption(figure, "Lines join equal losses; the path is its shadow on the plane " * 5)
        figure.draw_without_rendering()
        box = figure._supxlabel.get_window_extent()  # type: ignore[attr-defined]
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


@pytest.fixture
def run_directory(tmp_path: Path) -> Callable[..., Path]:
    """A run's directory as the command leaves it, .hydra included."""

    def run_directory(*overrides: str, engine: bool = False) -> Path:
        directory = tmp_path / "run"
        (directory / ".hydra").mkdir(parents=True)
        config = compose_settings(*overrides)[0]
        (directory / ".hydra" / "config.yaml").write_text(json.dumps(config))
        run = build(config)
        asked = replace(run, config=run.config | {"engine": "stacked"})
        fit(run, directory, quiet(), train=engine_of(asked) if engine else None)
        return directory

    return run_directory


def test_afterwards_as_at_the_end(run_directory: Callable[..., Path], tmp_path: Path) -> None:
    overrides = ("+experiment=xor", "model.width=2", "trainer.max_epochs=20", "pictures=all")
    directory = run_directory(*overrides, "early_stop={patience: 3}")
    before = {name: (directory / name).read_bytes() for name in lessons_in(directory)}
    others = {p.name: p.read_bytes() for p in directory.iterdir()
              if p.is_file() and p.name not in before}  # fmt: skip
    for name in before:
        (directory / name).unlink()
    written = teach(directory, quiet())
    assert {path.name for path in written} == set(before) == PLANE
    for name, content in before.items():
        assert (directory / name).read_bytes() == content, name
    for name, content in others.items():
        assert (directory / name).read_bytes() == content, name
    tags = set()
    for path in directory.glob("events.out.tfevents.*"):
        events = EventAccumulator(str(path))
        events.Reload()
        tags |= set(events.Tags()["images"])  # type: ignore[arg-type]
    assert {f"view figures/{Path(name).stem}" for name in PLANE} <= tags


@pytest.mark.more
def test_a_run_of_an_engine_is_trained_again(run_directory: Callable[..., Path]) -> None:
    directory = run_directory("+experiment=xor", "model.width=2", "trainer.max_epochs=20",
                              "logger=none", engine=True)  # fmt: skip
    assert not (directory / "path.safetensors").exists()
    weights = (directory / "weights.safetensors").read_bytes()
    console = quiet()
    assert {path.name for path in teach(directory, console)} == PLANE
    assert "trained once more" in console.file.getvalue()  # type: ignore[attr-defined]
    assert (directory / "weights.safetensors").read_bytes() == weights
    assert not list(directory.glob("events.*"))


def test_a_run_of_a_sweep(sweep: Callable[..., Swept]) -> None:
    swept = sweep("+experiment=temperature_linear", "seed=1,2", "trainer.max_epochs=10")
    directory = swept.store.directory / "1"
    assert lessons_in(directory) == set()
    assert {path.name for path in teach(directory, quiet())} == CURVE - {"parts.png"}


def test_what_is_no_run_is_refused(run_directory: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        teach(tmp_path / "nowhere", quiet())
    with pytest.raises(InputError, match="not the directory of a run"):
        teach(tmp_path, quiet())
    directory = run_directory("+experiment=proportional", "trainer.max_epochs=2", "logger=none")
    for name, content in (
        ("path.safetensors", b"x"),
        ("result.json", b"{"),
        ("result.json", b"[]"),
    ):
        other = tmp_path / "broken"
        shutil.copytree(directory, other)
        (other / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            teach(other, quiet())
        shutil.rmtree(other)


def test_a_lesson_draws_without_a_path(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=sine", "trainer.max_epochs=2")
    lesson = Lesson(done.run, done.run, None, done.result.curves, 2, False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = draw_lessons(lesson, done.directory, quiet(), None)
    assert {path.name for path in written} == {"parts.png"}


def test_the_surface_names_its_loss(
    finish: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, draw = [], all_pictures.surface_figure

    def noted(found: Any, steps: Any, loss_name: str, title: str) -> Any:
        said.append(loss_name)
        return draw(found, steps, loss_name, title)

    monkeypatch.setattr(all_pictures, "surface_figure", noted)
    finish("+experiment=proportional", "trainer.max_epochs=20", "pictures=all")
    assert said == ["mse"]
