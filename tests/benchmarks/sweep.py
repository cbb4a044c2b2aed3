"""How fast is a sweep? `python -m tests.benchmarks.sweep`

µs per training step and model, side by side in one run: the hand-written loop (one model at a
time), the stacked engine eager and compiled, and `jit(vmap(scan))` of the same training in JAX
(extra `bench`; left out where it is not installed). All use every core but the loop, which is one
model in one thread: the engine as it does in a sweep (parts in threads), JAX by its own means.
Then whole commands, with everything they store.

    python -m tests.benchmarks.sweep steps       only the first table
    python -m tests.benchmarks.sweep commands    only the second
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from src.build import build
from src.compose import compose_settings
from src.engines.program import lower
from src.engines.shapes import lanes_for, part_sizes
from src.engines.stacked import train
from src.sweep.members import start

ROOT = Path(__file__).parent.parent.parent
CORES = len(os.sched_getaffinity(0))
REPEATS = 2


@dataclass(frozen=True)
class Case:
    """An example of so many models; steps: how many are timed, of the loop and of the others."""

    name: str
    overrides: tuple[str, ...]
    models: int
    steps: int


TARGETS = "[" + ",".join(["[0.1,0.3]"] * 100) + "]"
CASES = [
    Case("temperature_mlp, 13", ("+experiment=temperature_mlp", "model.width=13"), 1024, 1000),
    Case("sine", ("+experiment=sine",), 128, 300),
    Case("sine, 20", ("+experiment=sine", "model.width=20"), 128, 100),
    Case("sine, [5,5]", ("+experiment=sine", "model.width=[5,5]"), 128, 100),
    Case(
        "feedforward, 100 rows",
        ("+experiment=feedforward", "optimizer=adam", "data.source.rows=100",
         f"data.source.targets={TARGETS}"),
        128, 100,
    ),
]  # fmt: skip


def configs(case: Case) -> list[dict[str, Any]]:
    base = compose_settings(
        *case.overrides, f"trainer.max_epochs={case.steps}", f"log_every={case.steps}",
        "logger=none",
    )[0]  # fmt: skip
    return [
        base | {"seed": i, "data": base["data"] | {"split_seed": i}} for i in range(case.models)
    ]


def loop(case: Case) -> float:
    """The notebook's loop over one model, warm, in seconds a step."""
    run = build(configs(case)[0])
    net, loss, data = run.net, run.loss, run.data.train
    optimizer = run.make_optimizer(net.parameters())
    torch.set_num_threads(1)

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            value = loss(net(data.input), data.target)  # type: ignore[arg-type]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        return (time.perf_counter() - began) / steps

    seconds(20)
    return seconds(max(case.steps, 100))


def stacked(case: Case, compiled: bool) -> float:
    """The engine, its parts in threads as in a sweep, in seconds a step and model."""
    several = configs(case)
    first = start(several[:1]).cohort
    assert first is not None
    torch.set_num_threads(1)
    program = lower(first, compiled)
    sizes = part_sizes(first, compiled)
    size = min(sizes[1], lanes_for(-(-case.models // CORES), sizes))
    parts = [start(several[i : i + size]).cohort for i in range(0, case.models, size)]

    def one(part: Any) -> None:
        train(part, program, lanes=size)

    one(parts[0])
    with ThreadPoolExecutor(CORES) as pool:
        began = time.perf_counter()
        list(pool.map(one, parts))
        return (time.perf_counter() - began) / case.steps / case.models


JAX = """
import json, os, sys, time
import jax, jax.numpy as jnp
models, rows, sizes, steps, adam, last, activation = json.loads(sys.argv[1])
key = jax.random.key(0)
params = [(jax.random.normal(key, (models, a, b)) * 0.1, jnp.zeros((models, b)))
          for a, b in zip(sizes, sizes[1:])]
x = jax.random.uniform(key, (models, rows, sizes[0]))
y = jax.random.uniform(key, (models, rows, sizes[-1]))
rates = jnp.full((models,), 1e-3)
act = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]
def loss(p, x, y):
    for i, (w, b) in enumerate(p):
        x = x @ w + b
        x = act(x) if i < len(p) - 1 else jnp.tanh(x) if last == "tanh" else x
    return jnp.mean((x - y) ** 2)
def train(p, x, y, lr):
    zeros = jax.tree.map(jnp.zeros_like, p)
    def step(carry, _):
        p, m, s, t = carry
        value, g = jax.value_and_grad(loss)(p, x, y)
        if adam:
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            s = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, s, g)
            c, d = 1 - 0.9 ** t, 1 - 0.999 ** t
            p = jax.tree.map(lambda p, m, s: p - lr * (m / c) / (jnp.sqrt(s / d) + 1e-8), p, m, s)
        else:
            p = jax.tree.map(lambda p, g: p - lr * g, p, g)
        return (p, m, s, t), value
    return jax.lax.scan(step, (p, zeros, zeros, 0.0), None, length=steps)
f = jax.jit(jax.vmap(train))
jax.block_until_ready(f(params, x, y, rates))
began = time.perf_counter()
jax.block_until_ready(f(params, x, y, rates))
print((time.perf_counter() - began) / steps / models)
"""


def by_jax(case: Case) -> float | None:
    """The same training in JAX, in a process of its own; None where JAX is not installed."""
    run = build(configs(case)[0])
    linears = [m for m in run.net.modules() if isinstance(m, torch.nn.Linear)]
    sizes = [linears[0].in_features, *(m.out_features for m in linears)]
    model = run.config["model"]
    adam = run.config["optimizer"]["_target_"].endswith("Adam")
    about = [case.models, len(run.data.train), sizes, case.steps, adam,
             model["output_activation"], model["activation"]]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", JAX, json.dumps(about)], capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 else None


def best(measure: Callable[[], float | None]) -> float | None:
    """The least of a few: what others do on the machine only ever adds."""
    found = [measure() for _ in range(REPEATS)]
    return None if None in found else min(f for f in found if f is not None)


def steps_table() -> Table:
    table = Table(title=f"µs per step and model, {CORES} cores, best of {REPEATS}")
    for column in ("example", "models", "loop", "eager", "loop / eager", "compiled", "JAX",
                   "JAX / compiled"):  # fmt: skip
        table.add_column(column, justify="left" if column == "example" else "right")
    for case in CASES:
        measures: Sequence[Callable[[], float | None]] = (
            lambda c=case: loop(c),
            lambda c=case: stacked(c, False),
            lambda c=case: stacked(c, True),
            lambda c=case: by_jax(c),
        )
        a, eager, compiled, jax = (best(m) for m in measures)
        assert a is not None
        assert eager is not None
        assert compiled is not None
        table.add_row(
            case.name, str(case.models), f"{a * 1e6:.0f}", f"{eager * 1e6:.3g}",
            f"{a / eager:.1f}", f"{compiled * 1e6:.3g}",
            "not installed" if jax is None else f"{jax * 1e6:.3g}",
            "" if jax is None else f"{jax / compiled:.2f}",
        )  # fmt: skip
    return table


def command(*overrides: str) -> float:
    """Seconds of a whole command in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "src.train", *overrides], cwd=folder, env=environment,
            capture_output=True, check=True,
        )  # fmt: skip
        return time.perf_counter() - began


def commands_table() -> Table:
    table = Table(title="Whole commands, everything stored")
    for column in ("command", "seconds", "runs", "seconds a run"):
        table.add_column(column, justify="left" if column == "command" else "right")
    mlp = "+experiment=temperature_mlp"
    rows = [
        (("-m", mlp, "seed=range(3)", "hydra/launcher=basic"), 3),
        (("-m", mlp, "seed=range(1000)"), 1000),
        (("-m", "+experiment=sine", "seed=range(3)", "hydra/launcher=basic"), 3),
        (("-m", "+experiment=sine", "seed=range(100)"), 100),
    ]
    for overrides, count in rows:
        seconds = command(*overrides)
        table.add_row(" ".join(overrides), f"{seconds:.1f}", f"{count:,}", f"{seconds / count:.3g}")
    return table


def main() -> None:
    console = Console(width=120)
    if "commands" not in sys.argv:
        console.print(steps_table())
    if "steps" not in sys.argv:
        console.print(commands_table())


if __name__ == "__main__":
    main()
