"""The pictures that teach, and the path of training they are drawn from."""

import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small_nets.config import conf_files, defaults_lists
from small_nets.config.errors import InputError
from small_nets.data.shapes import circles, moons
from small_nets.run.build.build import build, build_data
from small_nets.run.build.compose import compose_settings
from small_nets.run.figures.figure import caption, new_figure
from small_nets.run.fit import fit
from small_nets.run.outputs.trajectory import MOST, Recorder, Trajectory, load_trajectory, spread
from small_nets.run.pictures import all_pictures
from small_nets.run.pictures.all_pictures import Lesson, draw_lessons
from small_nets.run.pictures.fit import shown_inputs
from small_nets.run.pictures.from_directory import teach
from small_nets.run.pictures.hidden_units import across, project, see_features, take_apart
from small_nets.run.pictures.loss_surface import losses_at, plane, sharpness, surface
from small_nets.run.pictures.stability import stability
from small_nets.sweep.cohorts.single_run import engine_of
from tests.conftest import Finished, Swept

CURVE = {"parts.png", "surface.png", "sharpness.png", "training.gif"}
PLANE = {"features.png", "surface.png", "sharpness.png", "training.gif"}
SHORT = ("+experiment=temperature_mlp", "trainer.max_epochs=60", "log_every=2")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of the same proportions with a sixth of the pixels: they are most of the time."""
    monkeypatch.setattr("small_nets.run.figures.figure.DPI", 40)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def path_of(done: Finished) -> Trajectory:
    return load_trajectory(done.directory / "path.safetensors", done.run.net)


def lessons_in(directory: Path) -> set[str]:
    names = {path.name for path in directory.iterdir() if path.suffix in (".png", ".gif")}
    return names - {"fit.png", "loss.png", "optimal_lr.png"}


# The path


@given(st.lists(st.integers(1, 9), min_size=1, max_size=1200), st.integers(0, 1199))
@settings(max_examples=25, deadline=None)
def test_thinning_is_bounded_and_even_and_knows_no_break(gaps: list[int], cut: int) -> None:
    steps = [0, *np.cumsum(gaps).tolist()]
    net, recorder = torch.nn.Linear(1, 1), Recorder(torch.nn.Linear(1, 1))
    whole = Recorder(net)
    broken = Recorder(net)
    for i, step in enumerate(steps):
        with torch.no_grad():
            net.bias.fill_(step)
        whole.record(step)
        broken.record(step)
        if i == cut:  # a checkpoint, and a run that goes on from it
            state = broken.to_checkpoint()
            broken = Recorder(net)
            broken.from_checkpoint(state)
    assert recorder.trajectory() is None
    found, again = whole.trajectory(), broken.trajectory()
    assert found is not None
    assert again is not None
    assert (found.steps, found.steps[0], found.steps[-1]) == (again.steps, 0, steps[-1])
    assert len(found) <= MOST + 1
    assert len(found) >= min(len(steps), MOST // 2)
    places = [steps.index(step) for step in found.steps]
    assert len(set(np.diff(places[:-1]))) <= 1  # every k-th point, and the last
    assert found.parameters["bias"].flatten().tolist() == found.steps
    assert torch.equal(found.flat(), again.flat())


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(2, 40))
@settings(max_examples=50, deadline=None)
def test_moments_are_distinct_and_have_both_ends(gaps: list[int], count: int) -> None:
    steps = [0, *np.cumsum(gaps).tolist()]
    found = spread(steps, count)
    assert found == sorted(set(found))
    assert len(found) == min(count, len(steps))
    assert (found[0], found[-1]) == (0, len(steps) - 1)


def test_a_continued_run_has_its_whole_path(finish: Callable[..., Finished]) -> None:
    whole = finish(*SHORT)
    half = finish(*SHORT, "trainer.max_epochs=33")
    rest = finish(*SHORT, f"ckpt={half.directory / 'checkpoint.ckpt'}")
    expected, found = path_of(whole), path_of(rest)
    assert found.steps == expected.steps == list(range(0, 61, 2))
    for name, values in expected.parameters.items():
        assert torch.equal(values, found.parameters[name])
    end = dict(whole.run.net.named_parameters())
    assert all(torch.equal(p, end[name]) for name, p in expected.at(-1).items())


def test_large_nets_have_no_path(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=xor", "model.width=[100,100]", "trainer.max_epochs=2",
                  "pictures=all")  # fmt: skip
    assert not (done.directory / "path.safetensors").exists()
    assert "no loss surface" in done.text
    assert lessons_in(done.directory) == {"features.png"}


# The arrays, against hand calculations


@pytest.mark.parametrize("width", ["5", "12", "[5,4]"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_contributions_and_bias_are_the_pre_activation(
    width: str, activation: str, finish: Callable[..., Finished]
) -> None:
    done = finish("+experiment=sine", f"model.width={width}", f"model.activation={activation}",
                  "trainer.max_epochs=3", "precision=64")  # fmt: skip
    net, grid = done.run.net, shown_inputs(done.run)
    parts = take_apart(net, done.run.data, grid)
    assert parts is not None
    total = np.sum([unit.values for unit in parts.units], axis=0) + parts.bias
    with torch.no_grad():
        output = net(done.run.data.input_normaliser.apply(grid))[:, 0].numpy()
    np.testing.assert_allclose(total, parts.total, atol=1e-12)
    np.testing.assert_allclose(np.tanh(total), output, atol=1e-12)
    assert len(parts.units) <= 10
    sizes = [np.ptp(unit.values) for unit in parts.units[:9]]
    assert sizes == sorted(sizes, reverse=True)
    for unit in parts.units:
        assert (unit.bend is None) == (width == "[5,4]" or unit.name.startswith("sum"))
        if unit.bend is not None:  # there the unit's input is 0
            at = done.run.data.input_normaliser.apply(
                torch.tensor([[unit.bend]], dtype=torch.float64)
            )
            j = int(unit.name.split()[1]) - 1
            with torch.no_grad():
                assert net[0](at)[0, j].item() == pytest.approx(0, abs=1e-9)  # type: ignore[index]


def test_the_plane_holds_the_end_and_the_start_to_its_share() -> None:
    torch.manual_seed(0)
    path = torch.randn(30, 7).double().cumsum(dim=0)
    end = path[-1]
    found = plane(path, end)
    assert found is not None
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(2).double())
    torch.testing.assert_close(found.point(torch.zeros(1, 2).double())[0], end)
    near = found.point(found.path)
    explained = ((near - end) ** 2).sum() / ((path - end) ** 2).sum()
    assert explained.item() == pytest.approx(sum(found.shares))
    # All of a path in a plane, and no other plane holds more of it.
    flat = plane(torch.cat([path[:, :2], torch.zeros(30, 5).double()], dim=1), torch.zeros(7))
    assert flat is not None
    assert sum(flat.shares) == pytest.approx(1)


def test_planes_of_paths_that_hardly_are_one() -> None:
    assert plane(torch.zeros(3, 4).double(), torch.zeros(4).double()) is None
    for path in (
        torch.ones(1, 4),
        torch.outer(torch.arange(5.0), torch.ones(4)),
        1e300 * torch.eye(4).double(),
    ):
        found = plane(path.double(), torch.zeros(4).double())
        assert found is not None
        torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(2).double())


@pytest.mark.parametrize("overrides", [
    ("+experiment=sine",), ("+experiment=circles",), ("+experiment=and_gate_tensors",),
    ("+experiment=one_sample", "loss=cross_entropy"), ("+experiment=xor", "loss=bce_by_hand"),
    ("+experiment=line_by_hand",),
])  # fmt: skip
def test_the_surface_is_the_final_loss_at_its_origin(
    overrides: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    done = finish(*overrides, "trainer.max_epochs=6", "log_every=1")
    run, path = done.run, path_of(done)
    end = path.flat()[-1]
    found = plane(path.flat(), end)
    assert found is not None
    grid = surface(run.net, run.loss, run.data.train, found)
    middle = (int(np.abs(grid.y).argmin()), int(np.abs(grid.x).argmin()))
    assert grid.loss[middle].item() == pytest.approx(done.result.metrics["train/loss"], rel=1e-4)
    assert (np.abs(grid.x).min(), np.abs(grid.y).min()) == (0, 0)
    # The path itself: whole parameters, so its losses are those of the run.
    along = losses_at(run.net, run.loss, run.data.train, path.flat())
    assert along.tolist() == pytest.approx(done.result.curves["train/loss"], rel=1e-4)


def test_sharpness_of_a_linear_net_is_that_of_its_rows(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=temperature_linear", "trainer.max_epochs=40", "precision=64",
                  "scheduler=exponential", "scheduler.decay=0.9")  # fmt: skip
    run, train = done.run, done.run.data.train
    x = torch.cat([train.input, torch.ones(len(train), 1)], dim=1).double()
    by_hand = torch.linalg.eigvalsh(2 / len(train) * x.T @ x)[-1].item()
    bound = stability(run)
    assert bound is not None
    found = sharpness(run.net, run.loss, train, path_of(done), bound.at)
    assert found.largest == pytest.approx([by_hand] * len(found.steps))
    assert found.bound == pytest.approx([2 / (0.01 * 0.9**step) for step in found.steps])


def test_hidden_features(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=circles", "model.width=[3,2,4]", "trainer.max_epochs=5")
    net, data = done.run.net, done.run.data
    panels = see_features(net, data, ("a", "b"), "class")
    assert panels is not None
    assert [p.title for p in panels] == [
        "the input", "behind hidden layer 2 (2 units)", "behind hidden layer 3 (4 units)",
        "the same, across the output weights",
    ]  # fmt: skip
    with torch.no_grad():
        two = net[:4](data.train.input)  # type: ignore[index]
        four = net[:6](data.train.input)  # type: ignore[index]
        output = net(data.train.input)[:, 0]
    np.testing.assert_allclose(panels[1].rows, two.numpy())
    centred = four - four.mean(dim=0)
    seen = project(four).apply(four)
    variance = torch.linalg.eigvalsh(centred.T @ centred / len(four)).flip(0)[:2]
    torch.testing.assert_close(seen.var(dim=0, correction=0), variance, rtol=1e-3, atol=1e-6)
    # Along the output weights, the order of the rows is that of their predictions.
    along = across(four, net[6].weight.detach()[0]).apply(four)[:, 0]  # type: ignore[index]
    assert torch.equal(along.argsort()[:5], output.argsort()[:5])


# The data


def test_circles_and_moons_without_noise() -> None:
    table = circles(points=9, noise=0.0, factor=0.3)
    assert table.target is not None
    radius = table.input.norm(dim=1)
    torch.testing.assert_close(radius, torch.where(table.target[:, 0] == 0, 1.0, 0.3))
    assert table.target.sum() == 4
    table = moons(points=10, noise=0.0)
    ends = [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]]
    torch.testing.assert_close(table.input[[0, 4, 5, 9]], torch.tensor(ends), atol=1e-6, rtol=0)
    assert moons(points=2, noise=0.0).input.shape == (2, 2)


@pytest.mark.parametrize("name", ["circles", "moons"])
def test_each_seed_draws_its_own_rows(name: str) -> None:
    tables = [
        build_data(compose_settings(f"+experiment={name}", f"seed={seed}")[0]).table.input
        for seed in (1, 1, 2)
    ]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


# The files


KINDS = ("sine", "temperature_linear", "circles", "xor", "spam", "and_gate")


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


# From a directory


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
