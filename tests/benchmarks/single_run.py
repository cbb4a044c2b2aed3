"""How fast is one run? `python -m tests.benchmarks.single_run`

Everything is measured in one go and read as a ratio: to the hand-written loop that takes the
same steps, to the process of a bare script, to an empty Hydra application.

The fits are measured in seconds of this process's CPU, all threads counted, and not by the
clock: on a host that others use as well, the clock's ratio wandered between 1.7 and 2.8.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.lightning.train import train_by_lightning
from small_nets.run.outputs.event_files import TensorBoard

REPEATS = 5
ROOT = Path(__file__).parent.parent.parent

EMPTY_APP = """
import sys
import hydra
from omegaconf import OmegaConf
OmegaConf.register_new_resolver("stamp", lambda *_: "empty")
OmegaConf.register_new_resolver("experiments", lambda *_: "")
OmegaConf.register_new_resolver("base", lambda *_: "")
OmegaConf.register_new_resolver("command", lambda *_: "")
@hydra.main(config_path=sys.argv.pop(1), config_name="train", version_base="1.3")
def run(config): pass
run()
"""

BARE_SCRIPT = """
import torch
torch.set_num_threads(1)
torch.manual_seed(42)
x = torch.linspace(0, 100, 3000, dtype=torch.float64)[:, None]
y = 3 * torch.sin(0.01 * x) * torch.cos(0.1 * x)
x, y = x.float(), y.float()
x, y = x / x.norm(p=5), y / y.norm(p=5)
n = torch.nn
net = n.Sequential(n.Linear(1, 5), n.Tanh(), n.Linear(5, 1), n.Tanh())
order = torch.randperm(3000)
train, val = order[:2400], order[2400:]
xt, yt, xv, yv = x[train], y[train], x[val], y[val]
optimizer = torch.optim.Adam(net.parameters(), lr=0.015)
for epoch in range(1000):
    loss = n.functional.mse_loss(net(xt), yt)
    with torch.no_grad():
        held_out = n.functional.mse_loss(net(xv), yv)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item(), held_out.item())
"""


def hand_written(experiment: str) -> float:
    """CPU seconds of the notebook's loop: the same steps, validation evaluated every epoch."""
    run = build(compose_settings(f"+experiment={experiment}")[0])
    net, loss, data = run.net, run.loss, run.data
    optimizer = run.make_optimizer(net.parameters())
    assert data.val is not None
    began = time.process_time()
    for _ in range(run.max_epochs):
        value = loss(net(data.train.input), data.train.target)  # type: ignore[arg-type]
        with torch.no_grad():
            loss(net(data.val.input), data.val.target)  # type: ignore[arg-type]
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return time.process_time() - began


def ours(experiment: str, *overrides: str) -> float:
    """CPU seconds of the fit (`seconds.fit` of its result), with the default logging."""
    run = build(compose_settings(f"+experiment={experiment}", *overrides)[0])
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        logger = TensorBoard(Path(folder)) if run.tensorboard else None
        began = time.process_time()
        train_by_lightning(run, logger, Path(folder), Console(file=nowhere))
        seconds = time.process_time() - began
        if logger is not None:
            logger.close()
    return seconds


def process(*arguments: str) -> Callable[[], float]:
    """A function that runs a Python process in a folder of its own and returns its seconds."""

    def seconds() -> float:
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True
            )
            seconds = time.perf_counter() - began
            assert done.returncode in (0, 2), done.stderr.decode()  # 2: refused, as asked for
            return seconds

    return seconds


def compare(ours: Callable[[], float], other: Callable[[], float]) -> tuple[float, float, float]:
    """Medians of both and of their ratio, taken in turn: a busy moment then hits both."""
    pairs = [(ours(), other()) for _ in range(REPEATS)]
    mine, others = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(mine), statistics.median(others), ratio


def main() -> None:
    torch.set_num_threads(1)
    table = Table(title=f"One run, median of {REPEATS}")
    for column in ("what", "seconds", "beside", "seconds", "ratio", "must"):
        table.add_column(column)
    conf = str(ROOT / "conf")
    with tempfile.TemporaryDirectory() as folder:
        empty, bare = Path(folder, "empty.py"), Path(folder, "bare.py")
        empty.write_text(EMPTY_APP)
        bare.write_text(BARE_SCRIPT)
        rows: list[tuple[str, str, Callable[[], float], Callable[[], float], float]] = [
            (f"fit of {name}", "hand-written loop", lambda n=name: ours(n),
             lambda n=name: hand_written(n), 2.5)
            for name in ("temperature_mlp", "sine")
        ]  # fmt: skip
        command = ("-m", "src.train")
        for what, beside, mine, other, most in (
            ("+experiment=sine", "bare script", ("+experiment=sine",), (str(bare),), 2.5),
            ("--help", "empty app's --help", ("--help",), (str(empty), conf, "--help"), 1.5),
            ("optimizer.lrr=1", "empty app's run", ("+experiment=sine", "optimizer.lrr=1"),
             (str(empty), conf, "+experiment=sine", "~hydra.callbacks.check"), 1.5),
        ):  # fmt: skip
            rows.append((what, beside, process(*command, *mine), process(*other), most))
        ours("sine", "trainer.max_epochs=20")
        hand_written("temperature_mlp")
        for what, beside, mine_, other_, most in rows:
            a, b, ratio = compare(mine_, other_)
            table.add_row(what, f"{a:.2f}", beside, f"{b:.2f}", f"{ratio:.2f}", f"{most}")
    Console().print(table)


if __name__ == "__main__":
    main()
