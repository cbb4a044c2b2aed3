"""The path of training that the pictures draw, the frames along it, and the loss beside it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from small_nets.run import fit
from small_nets.run.outputs.trajectory import Trajectory, load_trajectory
from small_nets.run.pictures.finer_path import with_its_beginning
from small_nets.run.pictures.fit_over_time import GIF_DPI, by_change
from small_nets.run.pictures.loss_surface import plane, surface, trained_pair
from small_nets.run.pictures.maps import draw_map
from tests.conftest import Finished

RUN = ("+experiment=proportional", "trainer.max_epochs=40")


def path_of(done: Finished) -> Trajectory:
    return load_trajectory(done.directory / "path.safetensors", done.run.net)


@pytest.mark.parametrize("more", [
    (), ("data.batch_size=2", "data.shuffle=true", "scheduler=cosine", "optimizer=momentum"),
])  # fmt: skip
def test_the_beginning_is_where_training_went(
    more: tuple[str, ...], finish: Callable[..., Finished]
) -> None:
    coarse, every = finish(*RUN, *more, "log_every=8"), finish(*RUN, *more, "log_every=1")
    found, whole = with_its_beginning(coarse.run, path_of(coarse)), path_of(every)
    each = coarse.run.data.steps_per_epoch
    assert found.steps == [each * i for i in [*range(17), 24, 32, 40]]
    kept = [whole.steps.index(step) for step in found.steps]
    for name, values in whole.parameters.items():
        assert torch.equal(found.parameters[name], values[kept])
    end = torch.cat([p.flatten() for p in coarse.run.net.parameters()])
    assert torch.equal(end.double(), found.flat()[-1])  # the run's own net is as it was


def test_another_path_stays_as_it_is(finish: Callable[..., Finished]) -> None:
    done = finish(*RUN, "log_every=8")
    path = path_of(done)
    other = replace(path, parameters={n: p + (p == p[1]) for n, p in path.parameters.items()})
    assert with_its_beginning(done.run, other) is other
    short = Trajectory(path.steps[:2], {n: p[:2] for n, p in path.parameters.items()})
    assert with_its_beginning(done.run, short) is short


def test_two_parameters_are_the_axes_themselves(finish: Callable[..., Finished]) -> None:
    done = finish(*RUN, "log_every=8", "precision=64")
    net, path, train = done.run.net, path_of(done).flat(), done.run.data.train
    found = plane(path, path[-1], trained_pair(net))
    assert found is not None
    seen = surface(net, done.run.loss, train, found)
    assert seen.names == ("output_linear.weight", "output_linear.bias")
    assert seen.is_whole
    np.testing.assert_array_equal(seen.path, path.numpy())
    x, y = np.array([1.0, 2, 3]), np.array([2.0, 4, 6])
    for row, column in ((0, 0), (5, 50), (60, 17)):
        w, b = seen.x[column], seen.y[row]
        assert seen.loss[row, column] == pytest.approx(((w * x + b - y) ** 2).mean())
    assert path[:, 0].numpy().min() > seen.x[0]
    assert path[:, 0].numpy().max() < seen.x[-1]


@pytest.mark.parametrize(("net", "names"), [
    (torch.nn.Linear(2, 1, bias=False), ["weight[0, 0]", "weight[0, 1]"]),
    (torch.nn.Linear(1, 1), ["weight", "bias"]),
    (torch.nn.Linear(2, 1), None),
    (torch.nn.Linear(1, 1, bias=False), None),
])  # fmt: skip
def test_only_two_trained_numbers_are_a_pair(net: torch.nn.Module, names: list[str] | None) -> None:
    found = trained_pair(net)
    assert (None if found is None else list(found)) == names


def test_what_is_not_trained_is_no_axis() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1))
    net[0].requires_grad_(False)
    assert trained_pair(net) == {"1.weight": 3, "1.bias": 4}


def test_frames_are_as_far_apart_as_the_picture_changes() -> None:
    # It stands still for fifty moments, moves evenly for ten, and stands still again.
    moved = np.concatenate([np.zeros(50), np.arange(10) / 9, np.ones(50)])
    moments = [{"fit": np.full(5, value)} for value in moved]
    found = by_change(moments, 12)
    assert found == sorted(set(found))
    assert (len(found), found[0], found[-1]) == (12, 0, 109)
    assert sum(49 <= i <= 60 for i in found) >= 8
    assert by_change(moments[:5], 12) == [0, 1, 2, 3, 4]
    still = [{"fit": np.zeros(5)}] * 30
    assert np.diff(by_change(still, 10)).max() <= 4


def test_a_diverging_end_does_not_hide_the_rest() -> None:
    moved = [*np.arange(20.0), 1e30, np.inf, np.nan]
    moments = [{"map": np.full((3, 3), value)} for value in [*moved, 19.0]]
    moments[-1]["map"][0, 0] = 0.0
    assert sum(i < 20 for i in by_change(moments, 12)) >= 6


def test_texts_of_the_animation_can_be_read(finish: Callable[..., Finished]) -> None:
    done = finish("+experiment=circles", "trainer.max_epochs=1")
    legend = draw_map(done.run, "a title").axes[0].get_legend()
    assert legend is not None
    sizes = [float(text.get_fontsize()) for text in legend.get_texts()]  # the smallest ones
    assert min(sizes) * GIF_DPI / 72 >= 10  # pixels


@pytest.mark.parametrize(("name", "axis"), [
    ("sine", "loss (normalised)"), ("proportional", "loss"),
])  # fmt: skip
def test_a_loss_of_normalised_targets_is_called_one(
    name: str, axis: str, finish: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    draw = fit.loss_figure
    monkeypatch.setattr(fit, "loss_figure", lambda *a: drawn.append(draw(*a)) or drawn[-1])
    finish(f"+experiment={name}", "trainer.max_epochs=1", "pictures=few")
    assert drawn[0].axes[0].get_ylabel() == axis
