"""What the settings of a whole sweep may be: below sweep, search and executor. Imports no torch."""

import re

from src.data_rules import SEED
from src.rule import Rule, flag, is_number, is_positive, number, one_of, whole

OBJECTIVES = ("median", "mean", "bound")
SAMPLERS = ("tpe", "random", "qmc", "cmaes", "gp")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def memory_bytes(text: object) -> int | None:
    """Bytes of a text such as 2GiB; None where it is no such text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)", str(text))
    return None if found is None else int(float(found[1]) * UNITS[found[2]])


def _is_halving(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and set(value) <= {"factor", "first"}
        and is_number(value.get("factor", 3))
        and value.get("factor", 3) > 1
        and is_positive(value.get("first", 100))
    )


def _text(what: str, null: str, example: str) -> Rule:
    def test(value: object) -> bool:
        return value is None or (isinstance(value, str) and value != "")

    return Rule(test, f"{what}, or null ({null})", example)


SWEEP_RULES: dict[str, Rule] = {
    "sweep.dir": Rule(lambda v: isinstance(v, str) and v != "", "a directory", "outputs/my_sweep"),
    "sweep.dry_run": flag(example="true"),
    "sweep.verify": whole(0, example="3"),
    "sweep.memory": Rule(
        lambda v: v is None or memory_bytes(v) is not None,
        "a number and a unit (B, KiB, MiB, GiB), or null (a quarter of what is free)",
        "2GiB",
    ),
    "sweep.device": one_of(("cpu", "cuda"), example="cpu"),
    "sweep.compile": Rule(
        lambda v: v is None or isinstance(v, bool),
        "true, false, or null (where the estimate says that it pays)",
        "true",
    ),
    "sweep.fail_fast": flag(example="true"),
    "sweep.max_runs": whole(1, example="2000000"),
    "sweep.directories": whole(0, example="200"),
    "sweep.halving": Rule(
        _is_halving,
        "null, or {factor: of so many settings one goes on (a number above 1; default 3), first: "
        "epochs before some stop (1 or more; default 100)}",
        "'{factor: 3, first: 100}'",
    ),
    "search.trials": whole(1, example="250"),
    "search.batch": whole(1, example="64"),
    "search.seeds": whole(1, example="8"),
    "search.objective": one_of(OBJECTIVES, example="median"),
    "search.metric": _text("a metric of the runs", "val/loss, or train/loss", "val/accuracy"),
    "search.sampler": one_of(SAMPLERS, example="tpe"),
    "search.seed": SEED,
    "executor.kind": one_of(("local", "ray", "slurm"), example="local"),
    "executor.workers": whole(1, example="4", null="one for each core"),
    "executor.address": Rule(
        lambda v: v in (None, "auto") or re.fullmatch(r"[^/]+:\d+", str(v)) is not None,
        "host:port of the cluster's head, auto (a Ray that runs on this machine), or null "
        "(RAY_ADDRESS, or a Ray of one's own)",
        "10.0.0.1:6379",
    ),
    "executor.cpus": whole(1, example="1"),
    "executor.gpus": whole(0, example="1"),
    "executor.part_seconds": number(0, above=True, example="20"),
    "executor.stay_local": number(0, example="60"),
    "executor.partition": _text("a partition", "the cluster's default", "short"),
    "executor.account": _text("an account", "the user's own", "physics"),
    "executor.qos": _text("a quality of service", "the cluster's default", "normal"),
    "executor.time": whole(1, example="60"),
    "executor.memory": Rule(
        lambda v: memory_bytes(v) is not None, "a number and a unit (MiB, GiB)", "4GiB"
    ),
    "executor.jobs": whole(1, example="100"),
    "executor.silent": number(0, above=True, example="60"),
}
