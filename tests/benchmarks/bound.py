"""What the machine can do: bound.cpp, compiled here and now, with the models that the engine has.

It must train as the engine does, or its time would say nothing.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from small_nets.engines.cohort import Cohort
from small_nets.engines.stacked.trace import Flat
from small_nets.engines.stacked.train import train
from tests.benchmarks.cases import CORES, Case, Measure, cohort, configs

SOURCE = Path(__file__).parent / "bound.cpp"
# Reassociated, sums of products would be split into products and sums.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffast-math", "-fno-tree-reassoc", "-pthread")
FEW = 16  # models whose losses are compared
NEAR = 0.02  # of the engine's loss, in the median


@contextmanager
def bound(case: Case) -> Iterator[Measure | None]:
    """What a case takes at best; None without a bound for it, g++ or AVX-512."""
    with tempfile.TemporaryDirectory() as folder:
        program, numbers = Path(folder, "bound"), Path(folder, "numbers")
        if case.bound is None or not _compiled(program):
            yield None
            return
        several = configs(case, case.steps)
        all_of_them = cohort(several)
        numbers.write_bytes(_numbers(all_of_them))

        def run(steps: int) -> tuple[float, torch.Tensor]:
            """Seconds of a step and model, and each model's last loss."""
            rate = float(all_of_them.settings["lr"][0])
            about = (case.bound, numbers, case.models, all_of_them.train.count, steps, rate, CORES)
            done = subprocess.run(
                [program, *map(str, about)], check=True, capture_output=True, text=True
            )
            seconds, *losses = map(float, done.stdout.split())
            return seconds, torch.tensor(losses)

        few = cohort(several[:FEW])
        found = run(case.steps)[1][:FEW]
        ratio = float(found.median() / train(few).last["train/loss"].median())
        assert abs(ratio - 1) < NEAR, f"the bound trains to {ratio:.3f} of the engine's loss"
        yield lambda: run(case.kernel_steps)[0]


def _compiled(program: Path) -> bool:
    compiler = shutil.which("g++")
    if compiler is None:
        return False
    command = [compiler, *FLAGS, str(SOURCE), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 and "needs AVX-512" not in done.stderr:
        raise RuntimeError(done.stderr)
    return done.returncode == 0


def _numbers(c: Cohort) -> bytes:
    """Parameters (models, numbers), inputs and targets (models, rows), as bound.cpp reads them."""
    parameters = Flat(c.net).join(c.parameters)
    several = (parameters, c.train.input, c.train.target)
    return b"".join(values.contiguous().numpy().tobytes() for values in several)
