"""sweep.verify: members trained again, alone and through Lightning, and compared."""

import math
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.optim import Optimizer

from small_nets.data.batches import Batches
from small_nets.engines.cohort import Interrupted
from small_nets.run.build.build import build
from small_nets.run.outputs.result import Status
from small_nets.run.terminal.tables import new_table, warn
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.progress import runs
from small_nets.sweep.training.rows import quiet

BOUNDS = {32: 1e-5, 64: 1e-9}
SENSITIVITY = 10
TELLS = 0.1  # a bound above it holds for almost any parameters: nothing is tested by it
# Changes of a run by which its sensitivity is measured: see `alone`. Those at every step only where
# the others explain nothing: where training ends in one of two states, as RMSprop does when it
# swings about a minimum, an ulp at the start is forgotten, and rounding on the way decides.
DRAWS = (
    *((math.inf, False, None), (-math.inf, False, None), (0.0, True, None)),
    *((0.0, False, seed) for seed in range(8)),
)


@dataclass(frozen=True)
class Check:
    """One member against its run alone.

    difference: norm-wise, |p - p'| / |p'| over all parameters. bound: what is allowed.
    sensitivity: of the run itself, None where it was not needed: the largest difference that
    one ulp in its initial weights makes in the plain path, its rows in the opposite order, or, if
    that explains nothing, an ulp at random after each step.
    """

    difference: float
    bound: float
    sensitivity: float | None
    ended: tuple[str, str]

    @property
    def holds(self) -> bool:
        return self.difference <= self.bound

    @property
    def is_told(self) -> bool:
        """Whether the run could show a difference at all: where rounding alone moves it as far,
        equal and different programs look the same."""
        return not self.holds or self.bound <= TELLS

    @property
    def verdict(self) -> str:
        if not self.holds:
            return "DIFFERENT"
        if self.is_told:
            return "equal" if self.sensitivity is None else "equal, as far as rounding allows"
        if not math.isfinite(self.bound):
            return "cannot be told: an ulp decides how this run ends"
        return f"cannot be told: rounding alone moves this run by {self.sensitivity:.1g}"


class _Reversed:
    """Batches whose rows come in the opposite order: the same sums, added up otherwise."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.sampler, self.batch_sampler = batches, None

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((x.flip(0), y.flip(0)) for x, y in self.batches)


def _noisy(
    make: Callable[[Iterable[nn.Parameter]], Optimizer], seed: int,
    parameters: Iterable[nn.Parameter],
) -> Optimizer:  # fmt: skip
    """An optimizer that after each step moves every weight by an ulp, or not, at random."""
    optimizer, stream = make(parameters), torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def move(*_: Any) -> None:
        for p in (p for group in optimizer.param_groups for p in group["params"]):
            way = torch.randint(-1, 2, p.shape, generator=stream)
            p.copy_(
                torch.where(way == 0, p, torch.nextafter(p, way * torch.full_like(p, math.inf)))
            )

    optimizer.register_step_post_hook(move)
    return optimizer


def alone(
    settings: dict[str, Any], until: int | None = None, nudge: float = 0.0, reverse: bool = False,
    noise: int | None = None,
) -> tuple[Status, dict[str, Tensor]]:  # fmt: skip
    """Train a run by itself, through Lightning.

    until: as of `stopped_at`. nudge: inf or -inf, initial weights one ulp larger or smaller.
    reverse: the rows of each batch in the opposite order. noise: a seed; after each step every
    weight is an ulp larger, or smaller, or as it was, at random: what a program that rounds
    otherwise does (Parker's Monte Carlo arithmetic, 1997).
    """
    from small_nets.run.lightning.datamodule import (
        ExampleData,  # Lightning, for which a sweep need not wait
    )
    from small_nets.run.lightning.train import train_by_lightning

    run = replace(build(settings), until=until)
    if nudge:
        with torch.no_grad():
            for p in run.net.parameters():
                p.copy_(torch.nextafter(p, torch.full_like(p, nudge)))
    data = ExampleData(lambda: run.data)
    if reverse:
        data.setup()
        batches = _Reversed(data.train_dataloader())
        data.train_dataloader = lambda: batches  # type: ignore[assignment]
    if noise is not None:
        run = replace(run, make_optimizer=partial(_noisy, run.make_optimizer, noise))
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), quiet(), data)
    if ending.status == "interrupted":
        raise Interrupted
    return ending.status, {n: p.detach() for n, p in run.net.named_parameters()}


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """|one - other| / |other| over all parameters; 0 where both are the same, finite or not."""
    a = torch.cat([one[name].flatten().double() for name in other])
    b = torch.cat([values.flatten().double() for values in other.values()])
    same = (a == b) | (a.isnan() & b.isnan())
    gap = torch.where(same, 0.0, a - b).norm() / b.norm().clamp(min=1e-300)
    value = gap.item()
    return value if math.isfinite(value) else math.inf


def stopped_at(row: Mapping[str, Any]) -> int | None:
    """The epoch at which halving stopped the run of a row; None for a run that ended by itself."""
    return row["epochs"] if row["status"] == "stopped" else None


def check(
    settings: dict[str, Any], status: str, parameters: Mapping[str, Tensor],
    single: tuple[Status, Mapping[str, Tensor]] | None = None, until: int | None = None,
) -> Check:  # fmt: skip
    """Compare a member's outcome with that of its single run, which is trained unless given.

    until: as of `stopped_at`.
    """
    plain_status, plain = single or alone(settings, until)
    bound, sensitive = BOUNDS[settings["precision"]], None
    # With early stopping the best point is kept, and else whatever a run diverged to.
    nothing = status == plain_status == "diverged" and settings["early_stop"] is None
    difference = 0.0 if nothing else distance(parameters, plain)
    if status != plain_status:
        difference = math.inf
    if difference > bound:
        sensitive = 0.0
        for nudge, reverse, noise in DRAWS:
            if noise is not None and difference <= max(bound, SENSITIVITY * sensitive):
                break
            other_status, other = alone(settings, until, nudge, reverse, noise)
            # A run whose very outcome hangs on one ulp can be held to nothing.
            gap = math.inf if other_status != plain_status else distance(other, plain)
            sensitive = max(sensitive, gap)
        bound = max(bound, SENSITIVITY * sensitive)
    return Check(difference, bound, sensitive, (status, plain_status))


def verify(store: Store, jobs: Sequence[Job], count: int, console: Console) -> int:
    """Check random members of this command's jobs; 0, or 1 where a bound is broken."""
    table = store.read()
    together = table.filter(pl.col("engine") != "lightning")
    known = {job.run_id: job for job in jobs if job.error is None}
    rows = [row for row in together.iter_rows(named=True) if row["run_id"] in known]
    chosen = random.Random(len(rows)).sample(rows, min(count, len(rows)))
    if not chosen:
        console.print("sweep.verify: no run of this sweep was trained together with others")
        return 0
    weights = dict(store.parameters([row["run_id"] for row in chosen]))
    console.print(f"\nVerification: {runs(len(chosen))}, drawn at random, trained again, alone "
                  "and through Lightning", style="bold", soft_wrap=True)  # fmt: skip
    console.print("differences of the parameters, |p - p'| / |p'|; own sensitivity: what rounding "
                  "makes of the single run", soft_wrap=True)  # fmt: skip
    found = {
        row["job"]: check(known[row["run_id"]].settings(), row["status"], weights[row["run_id"]],
                          until=stopped_at(row))
        for row in chosen
    }  # fmt: skip
    show_checks(console, found)
    if untold := sum(not one.is_told for one in found.values()):
        equal = sum(one.holds and one.is_told for one in found.values())
        console.print(
            f"sweep.verify: {equal} of {runs(len(chosen))} equal, {untold} cannot be told: there "
            f"the bound is above {TELLS:g}, so that nothing was tested.\n"
            "Fix: precision=64, or fewer epochs", soft_wrap=True,
        )  # fmt: skip
    broken = sum(not one.holds for one in found.values())
    if broken:
        warn(console, f"sweep.verify: {broken} of {len(chosen)} runs differ from their single run "
             "by more than rounding explains. Do not trust this sweep; please report it."
             )  # fmt: skip
    return 1 if broken else 0


def show_checks(console: Console, checks: Mapping[int, Check]) -> None:
    """Print a row for each run that was trained again, by its number."""
    shown = new_table("run", "ended", "difference", "bound", "own sensitivity", "verdict")
    for job, found in checks.items():
        ended = found.ended[0] if len(set(found.ended)) == 1 else " / alone: ".join(found.ended)
        own = "" if found.sensitivity is None else f"{found.sensitivity:.1e}"
        shown.add_row(str(job), ended, f"{found.difference:.1e}", f"{found.bound:.1e}", own,
                      found.verdict)  # fmt: skip
    console.print(shown)
