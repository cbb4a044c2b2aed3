"""What a run prints while it trains begins before the first step; its gradients say where."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from small_nets.run.build.build import build
from small_nets.run.evaluate import evaluate
from small_nets.run.fit import fit
from tests.conftest import TRAINED, Finished, composed

Finish = Callable[..., Finished]
LINE = re.compile(r"epoch +(\d+)   (.*)")
QUIET = ("logger=none", "pictures=none")
MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=6", "print=all", "print_every=2")


def printed(text: str) -> list[tuple[int, dict[str, float]]]:
    """Epoch and losses of each line, in their order."""
    found = []
    for epoch, losses in LINE.findall(text):
        words = losses.split()
        found.append((int(epoch), dict(zip(words[::2], map(float, words[1::2]), strict=True))))
    return found


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_the_first_loss_is_that_of_epoch_0(name: str, is_terminal: bool, tmp_path: Path) -> None:
    run = build(composed(f"+experiment={name}", *QUIET, "trainer.max_epochs=2"))
    untrained = evaluate(run.net, run.loss, run.data)
    text = io.StringIO()
    fit(run, tmp_path, Console(file=text, width=160, force_terminal=is_terminal, no_color=True))
    first, *others = printed(text.getvalue())
    assert first[0] == 0
    assert first[1] == {key: float(f"{value:.4g}") for key, value in untrained.items()}
    every = run.print_every or 1
    assert [epoch for epoch, _ in others] == ([] if is_terminal or every > 2 else [1, 2])
    first_loss = re.search(r"(train/loss|epoch +0/)", text.getvalue())
    assert first_loss is not None
    assert first_loss[1] == "train/loss"  # in front of the bar


@pytest.mark.parametrize("engine", ["stacked", "fused"])
def test_an_engine_prints_the_same_lines(engine: str, finish: Finish) -> None:
    alone, other = finish(*MLP), finish(*MLP, f"engine={engine}")
    assert [epoch for epoch, _ in printed(alone.text)] == [0, 2, 4, 6]
    for (epoch, one), (same, two) in zip(printed(alone.text), printed(other.text), strict=True):
        assert epoch == same
        assert one == pytest.approx(two, rel=1e-3)


def test_a_continued_run_begins_where_it_goes_on(finish: Finish) -> None:
    begun = finish(*MLP)
    path = begun.directory / "checkpoint.ckpt"
    went_on = finish(*MLP, "trainer.max_epochs=10", f"ckpt={path}", "log_every=1")
    assert [epoch for epoch, _ in printed(went_on.text)] == [6, 8, 10]
    assert printed(went_on.text)[0] == printed(begun.text)[-1]


def test_no_training_prints_no_line(finish: Finish) -> None:
    assert printed(finish("+experiment=sine", "trainer.max_epochs=0").text) == []


def test_the_gradient_is_that_at_the_parameters_beside_it(finish: Finish) -> None:
    done = finish(*MLP)
    assert "Parameters after 6 steps, and the gradient of train/loss at these" in done.text
    assert "at the parameters above, after step 6. A training loop leaves another one" in done.text
    net, data = build(composed(*MLP, *QUIET)).net, done.run.data.train
    assert data.target is not None
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(6):  # a lesson's loop
        optimizer.zero_grad()
        ((net(data.input) - data.target) ** 2).mean().backward()
        optimizer.step()
    weight = net.get_parameter("hidden_linear.weight")
    assert weight.grad is not None
    of_last_step = weight.grad.clone()
    optimizer.zero_grad()
    ((net(data.input) - data.target) ** 2).mean().backward()
    ours = done.json()["parameters"]["hidden_linear.weight"]
    assert torch.allclose(torch.tensor(ours["values"]), weight.detach(), rtol=1e-5)
    assert torch.allclose(torch.tensor(ours["gradient"]), weight.grad, rtol=1e-4)
    assert not torch.allclose(torch.tensor(ours["gradient"]), of_last_step, rtol=1e-2)


def test_of_which_step_the_kept_parameters_are(finish: Finish) -> None:
    done = finish("+experiment=temperature_mlp", "print=all", "trainer.max_epochs=400",
                  "early_stop={patience: 2}", "optimizer.lr=0.01", "log_every=10")  # fmt: skip
    kept = done.result.kept
    assert kept is not None
    assert kept < done.result.steps
    assert f"Parameters after {kept} steps, and the gradient" in done.text
    untrained = finish("+experiment=temperature_mlp", "print=all", "trainer.max_epochs=0")
    assert "Parameters after 0 steps, and the gradient" in untrained.text
    assert "above, before any step." in untrained.text
