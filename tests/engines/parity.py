"""Runs of an engine beside single runs: the oracle of every engine."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from small_nets.engines.cohort import Trained
from small_nets.engines.fused.train import train as train_fused
from small_nets.engines.stacked.cost import Layout, part_sizes
from small_nets.engines.stacked.program import Program, lower
from small_nets.engines.stacked.train import train
from small_nets.engines.unsupported import CannotFuse
from small_nets.sweep.cohorts.start import start
from small_nets.sweep.results.verify import distance
from tests.conftest import composed, plain_run

ENGINE = "stacked"


NOT_FUSED = (
    "PReLU has no form",
    "softmax in front of another layer",
    "SideBySide has no form",
    "BareSaddle has no form",
)


def compose(*overrides: str, seeds: Sequence[int] = (42,)) -> list[dict[str, Any]]:
    base = composed(*overrides, "logger=none")
    return [base | {"seed": s, "data": base["data"] | {"split_seed": s}} for s in seeds]


def by_kernels(configs: Sequence[dict[str, Any]]) -> list[Trained]:
    """Train by the fused engine; a test of what it has no kernel for is skipped."""
    started = start(configs)
    assert not started.failed
    assert started.cohort is not None
    try:
        return [train_fused(started.cohort)]
    except CannotFuse as error:
        if not str(error).startswith(NOT_FUSED):
            raise
        pytest.skip(str(error))


def together(
    configs: Sequence[dict[str, Any]], layout: Layout | None = None, program: Program | None = None
) -> list[Trained]:
    """Train, in as many parts as it takes. program: a compiled one, made from the first."""
    if ENGINE == "fused":
        return by_kernels(configs)
    first = start(configs[:1]).cohort
    assert first is not None
    size = part_sizes(first, program is not None)[1]
    program = program or lower(first, layout=layout)
    parts = []
    for i in range(0, len(configs), size):
        started = start(configs[i : i + size])
        assert not started.failed
        assert started.cohort is not None
        parts.append(train(started.cohort, program))
    return parts


def same(config: dict[str, Any], trained: Trained, member: int, bound: float) -> None:
    """Parameters, status, logged points and metrics are those of the single run."""
    ending, net = plain_run(config)
    found = {name: values[member] for name, values in trained.parameters.items()}
    assert (ending.status == "diverged") == bool(trained.diverged[member])
    assert distance(found, net) <= bound
    curve = trained.curve(member)
    assert curve["step"] == ending.curves["step"]
    assert set(curve) == set(ending.curves)
    for name in set(curve) - {"step"}:
        a, b = torch.tensor(curve[name]), torch.tensor(ending.curves[name])
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert int(trained.epochs[member]) == ending.epochs
    assert int(trained.kept[member]) == (-1 if ending.kept is None else ending.kept)
