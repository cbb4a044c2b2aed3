"""The fields of the config's sections sweep, search and executor, and of what is concluded.

Without torch.
"""

import re

from small_nets.config.cast_value import entries, to_float, to_whole
from small_nets.config.data_schema import SEED
from small_nets.config.field_types import (
    Field,
    boolean,
    integer,
    is_integer,
    is_number,
    is_positive,
    nullable,
    number,
    one_of,
    text,
)
from small_nets.config.success_rule import SUMMARIES, is_summary, read_rule

OBJECTIVES = (*SUMMARIES, "bound")
SAMPLERS = ("tpe", "random", "qmc", "cmaes", "gp")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MOST_RUNS = 10**7  # runs of a sweep; planning one takes about a kilobyte of memory
MOST_BYTES = 2**50


def memory_bytes(text: object) -> int | None:
    """The bytes that a text such as 2GiB means; None for another text, or for more than 1 PiB."""
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?) ?(B|KiB|MiB|GiB)", str(text))
    size = None if found is None else int(float(found[1]) * UNITS[found[2]])
    return None if size is None or size > MOST_BYTES else size


def _is_halving(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"factor", "first"}
        and is_number(value.get("factor", 3))
        and value.get("factor", 3) > 1
        and is_positive(value.get("first", 100))
    )


def _is_race(value: object) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"until", "most"}:
        return False
    until, most = value.get("until", 0.05), value.get("most", 500)
    return is_number(until) and 0 < until < 1 and is_integer(most) and 10 <= most <= 10**6


def _memory(example: str) -> Field:
    return Field(
        lambda v: memory_bytes(v) is not None,
        f"a number and a unit ({', '.join(UNITS)}), up to 1048576GiB",
        example,
    )


SWEEP_FIELDS: dict[str, Field] = {
    "success": nullable(
        Field(
            lambda v: read_rule(v) is not None,
            "a metric, one of < <= > >=, and a number",
            "'val/loss<0.001'",
        ),
        "a loss below the constant predictor's",
    ),
    "rank_by": Field(
        is_summary,
        "median, mean, success or quantile:Q, with 0 < Q < 1",
        "median",
        (*SUMMARIES, "quantile:0.9"),
    ),
    "sweep.dir": text("a directory", example="outputs/my_sweep"),
    "sweep.dry_run": boolean(example="true"),
    "sweep.verify": integer(0, example="3"),
    "sweep.memory": nullable(_memory("2GiB"), "a quarter of what is free"),
    "sweep.device": one_of(("cpu", "cuda"), example="cpu"),
    "sweep.compile": nullable(boolean(example="true"), "where the estimate says that it pays"),
    "sweep.fail_fast": boolean(example="true"),
    "sweep.max_runs": integer(1, MOST_RUNS, example="2000000"),
    "sweep.directories": integer(0, example="200"),
    "sweep.halving": nullable(
        Field(
            _is_halving,
            "{factor: of so many settings one goes on (a number above 1; default 3), first: "
            "epochs before some stop (1 or more; default 100)}",
            "'{factor: 3, first: 100}'",
            cast=entries({"factor": to_float, "first": to_whole}, {}),
        )
    ),
    "sweep.race": nullable(
        Field(
            _is_race,
            "{until: the error of the whole race (above 0 and below 1; default 0.05), most: seeds "
            "of a setting (10 to 1000000; default 500)}",
            "'{until: 0.05, most: 500}'",
            cast=entries({"until": to_float, "most": to_whole}, {"until": 0.05, "most": 500}),
        )
    ),
    "sweep.confirm": integer(0, example="5"),
    "sweep.confirm_seeds": integer(5, example="32"),
    "search.trials": integer(1, example="250"),
    "search.batch": integer(1, example="64"),
    "search.seeds": integer(1, example="8"),
    "search.fresh_seeds": boolean(example="true"),
    "search.objective": Field(
        lambda v: v == "bound" or is_summary(v),
        "median, mean, bound, success or quantile:Q, with 0 < Q < 1",
        "median",
        (*OBJECTIVES, "quantile:0.9"),
    ),
    "search.metric": nullable(
        text("a metric of the runs", example="val/accuracy"), "val/loss, or train/loss"
    ),
    "search.sampler": one_of(SAMPLERS, example="tpe"),
    "search.seed": SEED,
    "search.confirm": integer(0, example="5"),
    "search.confirm_seeds": integer(5, example="32"),
    "executor.kind": one_of(("local", "ray", "slurm"), example="local"),
    "executor.workers": nullable(integer(1, example="4"), "one for each core"),
    "executor.address": nullable(
        Field(
            lambda v: v == "auto" or re.fullmatch(r"[^/]+:\d+", str(v)) is not None,
            "host:port of the cluster's head, or auto (a Ray that runs on this machine)",
            "10.0.0.1:6379",
        ),
        "RAY_ADDRESS, or a new Ray on this machine",
    ),
    "executor.cpus": integer(1, example="1"),
    "executor.gpus": integer(0, example="1"),
    "executor.part_seconds": number(0, is_open=True, example="20"),
    "executor.stay_local": number(0, example="60"),
    "executor.partition": nullable(text("a partition", example="short"), "the cluster's default"),
    "executor.account": nullable(text("an account", example="physics"), "the user's own"),
    "executor.qos": nullable(
        text("a quality of service", example="normal"), "the cluster's default"
    ),
    "executor.time": integer(1, example="60"),
    "executor.memory": _memory("4GiB"),
    "executor.jobs": integer(1, example="100"),
    "executor.silent": number(0, is_open=True, example="60"),
}
