"""Ways to train a case: each prepares everything, and returns what times its steps once more.

All use every core but the loop, which is one model in one thread: the engines as they do in a
sweep (parts in threads), JAX by its own means.
"""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from small_nets.engines.cohort import Cohort
from small_nets.engines.stacked import train as engine
from small_nets.engines.stacked.cost import lanes_for, part_sizes
from small_nets.engines.stacked.program import lower
from small_nets.engines.unsupported import CannotFuse
from small_nets.run.build.build import build
from tests.benchmarks.cases import CORES, ROOT, Case, Measure, cohort, configs, parts


def loop(case: Case) -> Measure:
    """The notebook's loop over one model."""
    run = build(configs(case, case.steps)[0])
    net, loss, data = run.net, run.loss, run.data.train
    optimizer = run.make_optimizer(net.parameters())
    torch.set_num_threads(1)

    def seconds(steps: int = max(case.steps, 100)) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            value = loss(net(data.input), data.target)  # type: ignore[arg-type]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        return (time.perf_counter() - began) / steps

    seconds(20)
    return seconds


def _in_threads(train: Callable[[Cohort], Any], cohorts: Sequence[Cohort]) -> Measure:
    torch.set_num_threads(1)
    train(replace(cohorts[0], epochs=1, log_every=1))  # traces, compiles
    models, steps = sum(c.size for c in cohorts), cohorts[0].steps

    def seconds() -> float:
        with ThreadPoolExecutor(CORES) as pool:
            began = time.perf_counter()
            list(pool.map(train, cohorts))
            return (time.perf_counter() - began) / steps / models

    return seconds


def stacked(case: Case, compiled: bool) -> Measure:
    """The stacked engine."""
    first = cohort(configs(case, case.steps)[:1])
    program = lower(first, compiled)
    sizes = part_sizes(first, compiled)
    size = min(sizes[1], lanes_for(-(-case.models // CORES), sizes))
    several = parts(case, case.steps, size)

    def train(part: Cohort) -> Any:
        return engine.train(part, program, lanes=size)

    return _in_threads(train, several)


def fused(case: Case) -> Measure | None:
    """The fused engine; None where it has no kernel for the case, or LLVM is missing."""
    try:
        from small_nets.engines.fused import program as kernels
        from small_nets.engines.fused.train import train

        program = kernels.lower(cohort(configs(case, case.steps)[:1]))
    except (CannotFuse, ImportError):
        return None
    each = -(-case.models // CORES)
    several = parts(case, case.kernel_steps, -(-each // program.lanes) * program.lanes)
    return _in_threads(lambda part: train(part, program), several)


@contextmanager
def by_jax(case: Case) -> Iterator[Measure | None]:
    """The same training in JAX, in a process of its own; None where JAX is not installed."""
    if importlib.util.find_spec("jax") is None:
        yield None
        return
    run = build(configs(case, case.steps)[0])
    linears = [m for m in run.net.modules() if isinstance(m, torch.nn.Linear)]
    sizes = [linears[0].in_features, *(m.out_features for m in linears)]
    model = run.config["model"]
    adam = run.config["optimizer"]["_target_"] == "adam"
    about = [case.models, len(run.data.train), sizes, case.steps, adam,
             model["output_activation"], model["activation"]]  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.jax_sweep", json.dumps(about)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def seconds() -> float:
            asked.write("\n")
            asked.flush()
            return float(answers.readline()) / case.steps / case.models

        answers.readline()  # compiled
        yield seconds
