"""The path of training: thinned, continued, drawn in a plane."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.data.shapes import circles, moons, spirals
from small_nets.run.build.build import build_data
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.trajectory import MOST, Recorder, Trajectory, load_trajectory, spread
from small_nets.run.pictures.fit import shown_inputs
from small_nets.run.pictures.hidden_units import across, project, see_features, take_apart
from small_nets.run.pictures.loss_surface import losses_at, plane, sharpness, surface
from small_nets.run.stability import stability
from tests.conftest import Finished
from tests.run.lessons import lessons_in

SHORT = ("+experiment=temperature_mlp", "trainer.max_epochs=60", "log_every=2")


def path_of(done: Finished) -> Trajectory:
    return load_trajectory(done.directory / "path.safetensors", done.run.net)


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


def test_spirals_without_noise() -> None:
    table = spirals(points=31, noise=0.0, turns=0.5)
    assert (table.task, table.input.shape) == ("classes", (31, 2))
    assert table.target is not None
    assert table.target.sum(dim=0).tolist() == [11, 10, 10]
    assert table.target.sum(dim=1).unique().tolist() == [1]
    for i, start in enumerate((0, 11, 21)):
        arm = table.input[table.target[:, i] == 1].double()
        assert torch.equal(table.input[start].double(), arm[0])
        torch.testing.assert_close(arm.norm(dim=1), torch.linspace(0.2, 1, len(arm)).double())
        angle = torch.atan2(arm[:, 1], arm[:, 0])  # where it begins, and where it ends
        turned = torch.tensor([i / 3, i / 3 + 0.5]).double() * 2 * np.pi
        wanted = torch.stack([turned.cos(), turned.sin()])
        torch.testing.assert_close(torch.stack([angle.cos(), angle.sin()])[:, [0, -1]], wanted,
                                   atol=1e-6, rtol=0)  # fmt: skip


@pytest.mark.parametrize("name", ["circles", "moons", "spirals"])
def test_each_seed_draws_its_own_rows(name: str) -> None:
    tables = [
        build_data(compose_settings(f"+experiment={name}", f"seed={seed}")[0]).table.input
        for seed in (1, 1, 2)
    ]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])
