"""A sweep in a process of its own, phase by phase: `python -m tests.benchmarks.phases FILE …`

What the phases took, as JSON, goes to FILE; the other arguments are a sweep's overrides.
"""

import io
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from small_nets.commands.python_api import call
from small_nets.engines import engine as lowered
from small_nets.engines.fused import engine as fused
from small_nets.sweep import session
from small_nets.sweep.jobs import expand
from small_nets.sweep.results import conclude
from small_nets.sweep.store import part, store
from small_nets.sweep.training import in_process
from tests.benchmarks.clock import Clock

# Phase -> where its functions are looked up. The first ones are the driver's alone; those from
# "preparing" to "packing" are a node's where a cluster trains.
PHASES: dict[str, Sequence[tuple[Any, str]]] = {
    "expanding": [(expand.Expander, "expand")],
    "planning": [(session, "make_plan"), (session, "swept_keys"), (session, "refuse_varying"),
                 (session, "table_digests"), (session, "show_plan")],
    "beginning": [(session.Session, "_begin")],
    "preparing": [(session, "prepare")],
    "start": [(in_process, "start")],
    "training": [(fused.Fused, "train"), (lowered.Stacked, "train")],
    "rows": [(in_process, "cohort_part")],
    "packing": [(store, "pack")],
    "writing": [(part.Packed, "write"), (store.Store, "adopt")],
    "reading": [(store.Store, "read"), (store.Store, "curves"), (store.Store, "configs")],
    "ranking": [(conclude, "rank"), (conclude, "show_summary")],
    "directories": [(conclude, "write_directories"), (conclude, "draw_overlays")],
    "events": [(conclude, "write_sweep_events")],
    "returning": [(conclude, "returns")],
}  # fmt: skip
OF_A_NODE = ("preparing", "start", "training", "rows", "packing")
MIB = ("plan", "train", "conclude")  # of a Session: the peak of memory after each


def peak() -> float:
    """MiB, of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu() -> float:
    """Seconds of all cores, in this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _note_peaks(found: dict[str, float]) -> None:
    for name in MIB:
        real: Callable[..., Any] = getattr(session.Session, name)

        def noted(*arguments: Any, real: Any = real, name: str = name, **named: Any) -> Any:
            try:
                return real(*arguments, **named)
            finally:
                found[name] = peak()

        setattr(session.Session, name, noted)


def measured(clock: Clock, overrides: Sequence[str]) -> dict[str, Any]:
    """Run a sweep; returns what it took, all told."""
    peaks = {"import": peak()}
    _note_peaks(peaks)
    began, used = time.perf_counter(), cpu()
    call(overrides, Console(file=io.StringIO(), width=160))
    return {
        "whole": time.perf_counter() - began, "cpu": cpu() - used, "MiB": peaks,
        "seconds": clock.seconds, "phase_cpu": clock.cpu, "calls": clock.calls,
    }  # fmt: skip


def watch() -> Clock:
    """A clock on every phase."""
    clock = Clock()
    for phase, functions in PHASES.items():
        for owner, name in functions:
            clock.wrap(owner, name, phase)
    return clock


def main() -> None:
    file, *overrides = sys.argv[1:]
    clock = watch()
    more: dict[str, Any] = {}
    if "executor=ray" in overrides:
        from tests.benchmarks.traffic import follow

        more = follow(clock)
    found = measured(clock, overrides)
    Path(file).write_text(json.dumps(found | more))


if __name__ == "__main__":
    main()
