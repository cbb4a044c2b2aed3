"""sweep.verify: members trained again, alone and through Lightning, and compared."""

import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from src.build import build
from src.result import Status
from src.sweep.expand import Job
from src.sweep.outcomes import quiet
from src.sweep.store import Store
from src.training import train_by_lightning

BOUNDS = {32: 1e-5, 64: 1e-9}
SENSITIVITY = 10


@dataclass(frozen=True)
class Check:
    """One member against its run alone.

    difference: norm-wise, |p - p'| / |p'| over all parameters. bound: what is allowed.
    nudged: the run's own sensitivity, None where it was not needed.
    """

    difference: float
    bound: float
    nudged: float | None
    ended: tuple[str, str]

    @property
    def holds(self) -> bool:
        return self.difference <= self.bound


def alone(settings: dict, nudge: bool = False) -> tuple[Status, dict[str, Tensor]]:
    """Train a run by itself; with nudge, from initial weights that are one ulp larger."""
    run = build(settings)
    if nudge:
        with torch.no_grad():
            for p in run.module.net.parameters():
                p.copy_(torch.nextafter(p, torch.full_like(p, math.inf)))
    with tempfile.TemporaryDirectory() as folder:
        ending = train_by_lightning(run, None, Path(folder), quiet())
    return ending.status, {n: p.detach() for n, p in run.module.net.named_parameters()}


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """|one - other| / |other| over all parameters; 0 where both are the same, finite or not."""
    a = torch.cat([one[name].flatten().double() for name in other])
    b = torch.cat([values.flatten().double() for values in other.values()])
    same = (a == b) | (a.isnan() & b.isnan())
    gap = torch.where(same, 0.0, a - b).norm() / b.norm().clamp(min=1e-300)
    value = gap.item()
    return value if math.isfinite(value) else math.inf


def check(settings: dict, status: str, parameters: Mapping[str, Tensor]) -> Check:
    """Compare a member's outcome with that of its single run."""
    plain_status, plain = alone(settings)
    bound, nudged = BOUNDS[settings["precision"]], None
    difference = 0.0 if status == plain_status == "diverged" else distance(parameters, plain)
    if status != plain_status:
        difference = math.inf
    if difference > bound and settings["precision"] == 32:
        nudged_status, other = alone(settings, nudge=True)
        # A run whose very outcome hangs on one ulp can be held to nothing.
        nudged = math.inf if nudged_status != plain_status else distance(other, plain)
        bound = max(bound, SENSITIVITY * nudged)
    return Check(difference, bound, nudged, (status, plain_status))


def verify(store: Store, jobs: Sequence[Job], count: int, console: Console) -> int:
    """Check random members of this command's jobs; 0, or 1 where a bound is broken."""
    table = store.read()
    together = table.filter(pl.col("engine").str.starts_with("stacked"))
    known = {job.run_id: job for job in jobs if job.error is None}
    rows = [row for row in together.iter_rows(named=True) if row["run_id"] in known]
    chosen = random.Random(len(rows)).sample(rows, min(count, len(rows)))
    if not chosen:
        console.print("sweep.verify: no run of this sweep was trained together with others")
        return 0
    wanted = {row["run_id"] for row in chosen}
    weights: dict[str, dict[str, Tensor]] = {}
    for part in store.parts():
        ids, tensors, _ = store.weights(part)
        for place, run_id in enumerate(ids):
            if run_id in wanted:
                weights[run_id] = {name: values[place] for name, values in tensors.items()}
    console.print(f"\nVerification: {len(chosen)} runs trained again, alone and through Lightning",
                  style="bold", soft_wrap=True)  # fmt: skip
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("run", "ended", "difference", "bound", "one ulp makes", ""):
        shown.add_column(column)
    broken = 0
    for row in chosen:
        found = check(known[row["run_id"]].settings(), row["status"], weights[row["run_id"]])
        broken += not found.holds
        ended = found.ended[0] if len(set(found.ended)) == 1 else " / alone: ".join(found.ended)
        nudged = "" if found.nudged is None else f"{found.nudged:.1e}"
        shown.add_row(str(row["job"]), ended, f"{found.difference:.1e}", f"{found.bound:.1e}",
                      nudged, "equal" if found.holds else "DIFFERENT")  # fmt: skip
    console.print(shown)
    if broken:
        console.print(f"sweep.verify: {broken} of {len(chosen)} runs differ from their single run "
                      "by more than rounding explains. Do not trust this sweep; please report it.",
                      style="bold red", soft_wrap=True)  # fmt: skip
    return 1 if broken else 0
