"""Training with pauses is training without: to the bit, for whoever goes on, in whose company."""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from small_nets.engines.cohort import Cohort, Trained
from small_nets.engines.engine import Lowered, Stacked
from small_nets.engines.fused.engine import Fused
from small_nets.engines.fused.program import lower as lower_fused
from small_nets.engines.snapshot import Paused, concatenate
from small_nets.engines.stacked.cost import Layout
from small_nets.engines.stacked.program import lower
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.tensor_files import read_tensors, write_tensors
from small_nets.sweep.cohorts.start import start

RULES = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")
# Few rows a step, which the fused engine trains with models in its lanes, and many: rows there.
FEW = ("+experiment=temperature_mlp", "data.batch_size=4")
MANY = (
    "+experiment=sine", "data.source.points=90", "data.batch_size=40",
    "model.output_activation=identity",  # behind a tanh nothing diverges
)  # fmt: skip
WAYS: dict[str, tuple[tuple[str, ...], Layout | None]] = {
    "stacked, members last": (FEW, "last"),
    "stacked, members first": (FEW, "first"),
    "fused, models in lanes": (FEW, None),
    "fused, rows in lanes": (MANY, None),
}
EPOCHS = 40
ALL = (
    f"trainer.max_epochs={EPOCHS}", "log_every=5", "scheduler=cosine",
    "trainer.gradient_clip_val=1.0", "early_stop={patience: 2, min_delta: 0.001}",
)  # fmt: skip
# One diverges at once, some learn, some stop early; 19 fill no vector.
RATES = (1e-3, 1e30, 0.0, 0.01, 1e-5)
MEMBERS = 19


class Bench:
    """Runs of one cohort, and what trains them."""

    def __init__(
        self, *overrides: str, layout: Layout | None, compiled: bool = False, size: int = MEMBERS
    ) -> None:
        self.size = size
        base = compose_settings(*overrides, "logger=none")[0]
        self.configs = [
            base
            | {"seed": i, "data": base["data"] | {"split_seed": i}}
            | {"optimizer": base["optimizer"] | {"lr": RATES[i % len(RATES)]}}
            for i in range(size)
        ]
        first = self.cohort([0])
        self.lowered: Lowered = (
            Fused.of(first, lower_fused(first)) if layout is None
            else Stacked.of(first, lower(first, compiled, layout))
        )  # fmt: skip

    def cohort(self, places: Sequence[int]) -> Cohort:
        """Some of the runs, from their seeds."""
        found = start([self.configs[place] for place in places]).cohort
        assert found is not None
        return found

    def train(
        self, places: Sequence[int], since: Paused | None = None, until: int | None = None
    ) -> Trained:
        """Those that go on are given other parameters than they have."""
        cohort = self.cohort(places)
        if since is not None:
            wrong = {name: torch.full_like(p, torch.nan) for name, p in cohort.parameters.items()}
            cohort = replace(cohort, parameters=wrong)
        return self.lowered.train(cohort, self.size, since=since, until=until)

    def pause(self, places: Sequence[int], until: int, since: Paused | None = None) -> Paused:
        paused = self.train(places, since, until).paused
        assert paused is not None
        return paused


@cache
def bench(way: str, rule: str, *more: str) -> Bench:
    overrides, layout = WAYS[way]
    return Bench(*overrides, f"optimizer={rule}", *ALL, *more, layout=layout)


@cache
def whole(way: str, rule: str) -> Trained:
    return bench(way, rule).train(range(MEMBERS))


def bits(values: Tensor) -> bytes:
    """Also of what is no number."""
    return values.contiguous().numpy().tobytes()


def same_members(found: Trained, wanted: Trained, places: Sequence[int]) -> None:
    """The members found are those at some places of the wanted."""
    tables = ("parameters", "last", "metrics")
    for a, b in ((getattr(found, table), getattr(wanted, table)) for table in tables):
        assert list(a) == list(b)
        for name in a:
            assert bits(a[name]) == bits(b[name][list(places)]), name
    for name in ("diverged", "steps", "epochs", "kept"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)[list(places)]), name
    for i, place in enumerate(places):
        a, b = found.curve(i), wanted.curve(place)
        assert list(a) == list(b)
        assert all(bits(torch.tensor(a[n])) == bits(torch.tensor(b[n])) for n in a)


def same(found: Trained, wanted: Trained) -> None:
    """Everything but the seconds."""
    same_members(found, wanted, range(len(wanted.steps)))
    assert found.points == wanted.points
    assert all(bits(found.curves[name]) == bits(wanted.curves[name]) for name in wanted.curves)


def every_second() -> list[Any]:
    """All ways and rules; by default each of them with some of the others."""
    return [
        pytest.param(way, rule, marks=() if (i + j) % 2 == 0 else pytest.mark.slow)
        for i, way in enumerate(WAYS)
        for j, rule in enumerate(RULES)
    ]


@pytest.mark.every(2)
@pytest.mark.parametrize(("way", "rule"), every_second())
def test_a_pause_changes_nothing(way: str, rule: str) -> None:
    runs, everyone = bench(way, rule), range(MEMBERS)
    wanted = whole(way, rule)
    assert wanted.paused is None
    endings = {*zip(wanted.diverged.tolist(), (wanted.epochs < EPOCHS).tolist(), strict=True)}
    assert endings == {(True, True), (False, True), (False, False)}, "of each kind there are some"
    # Neither is a logged point, nor where a table of coefficients begins.
    first = runs.train(everyone, until=7)
    same(first, runs.lowered.train(replace(runs.cohort(everyone), epochs=7), MEMBERS))
    second = runs.train(everyone, first.paused, until=33)
    same(second, runs.lowered.train(replace(runs.cohort(everyone), epochs=33), MEMBERS))
    same(runs.train(everyone, second.paused), wanted)


def stored(paused: Paused, folder: Path) -> Paused:
    """As it comes back from a file."""
    write_tensors(folder / "paused", paused.members, {"header": json.dumps(paused.header)})
    tensors, about = read_tensors(folder / "paused")
    return Paused.of(tensors, json.loads(about["header"]))


BY_CHANCE = [("stacked, members last", "adam"), ("stacked, members first", "momentum"),
             ("fused, models in lanes", "adamw"), ("fused, rows in lanes", "adagrad")]  # fmt: skip


@pytest.mark.every(2)
@pytest.mark.parametrize(("way", "rule"), BY_CHANCE)
@settings(max_examples=12, deadline=None)
@given(
    order=st.permutations(range(MEMBERS)), cut=st.integers(1, MEMBERS - 1),
    until=st.integers(1, EPOCHS), later=st.integers(1, EPOCHS),
    kept=st.integers(1, MEMBERS), seed=st.integers(0, 99),
)  # fmt: skip
def test_survivors_of_two_cohorts(
    tmp_path_factory: pytest.TempPathFactory,
    way: str, rule: str, order: list[int], cut: int, until: int, later: int, kept: int, seed: int,
) -> None:  # fmt: skip
    """Those who go on are picked out of two parts, in any order, stored, and paused again."""
    runs, (until, later) = bench(way, rule), sorted((until, later))
    parts = [runs.pause(some, until) for some in (order[:cut], order[cut:])]
    back = [stored(part, tmp_path_factory.mktemp("paused")) for part in parts]
    assert [list(part.members) for part in back] == [list(part.members) for part in parts]
    go_on = random.Random(seed).sample(range(MEMBERS), kept)
    picked = concatenate(back).select(go_on)
    assert (picked.size, picked.epoch) == (kept, until)
    runners = [order[place] for place in go_on]
    again = runs.pause(runners, later, picked)
    same_members(runs.train(runners, again), whole(way, rule), runners)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_but_steps(way: str) -> None:
    """Rows all at once or in their order, no schedule, clipping or early stopping; float64."""
    overrides, layout = WAYS[way]
    rows = "data.batch_size=null" if layout == "first" else "data.shuffle=false"
    plain = (*overrides, rows, "precision=64", "trainer.max_epochs=9", "log_every=4")
    runs = Bench(*plain, "optimizer=momentum", layout=layout)
    some = range(MEMBERS)
    paused = runs.pause(some, 6, runs.pause(some, 2))
    same(runs.train(some, paused), runs.train(some))


@pytest.mark.parametrize("way", ["stacked, members last", "fused, models in lanes"])
def test_parts_of_other_sizes(way: str) -> None:
    """Many at first, some of them in fewer lanes, and steps beyond a table of coefficients."""
    overrides, layout = WAYS[way]
    long = 100 if layout == "last" else 3000
    usual = ("data.batch_size=null", f"trainer.max_epochs={long}", f"log_every={long // 3}")
    runs = Bench(*overrides, *usual, "optimizer=adam", layout=layout, size=130)
    wanted = runs.train(range(130))
    few = [*range(129, 0, -7)]
    same_members(runs.train(few, runs.pause(range(130), long // 2).select(few)), wanted, few)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here")
@pytest.mark.parametrize("layout", ["last", "first"])
def test_compiled(layout: Layout) -> None:
    """The first step is never compiled; what goes on elsewhere is compiled there, for itself."""
    usual = (*FEW, *ALL, "data.batch_size=null", "optimizer=adam")
    runs = Bench(*usual, layout=layout, compiled=True)
    wanted, few = runs.train(range(MEMBERS)), [11, 3, 5]
    elsewhere = Bench(*usual, layout=layout, compiled=True)
    same_members(elsewhere.train(few, runs.pause(range(MEMBERS), 7).select(few)), wanted, few)


@pytest.mark.parametrize("way", ["stacked, members last", "fused, models in lanes"])
def test_epochs_that_are_not_there(way: str) -> None:
    runs = bench(way, "adam")
    paused = runs.pause([0, 1], 8)
    for since, until in ((None, 0), (None, EPOCHS + 1), (paused, 7)):
        with pytest.raises(ValueError, match=f"until={until} is not from"):
            runs.train([0, 1], since, until)
    with pytest.raises(ValueError, match="2 members do not go on as 3"):
        runs.train([0, 1, 2], paused)


def test_the_epochs_that_are_told() -> None:
    told: list[int] = []
    for way in ("stacked, members last", "fused, models in lanes"):
        runs, one = bench(way, "adam"), [4]
        runs.lowered.train(runs.cohort(one), MEMBERS, told.append, runs.pause(one, 7), 12)
    assert told == [8, 9, 10, 11, 12, 10, 12]


@pytest.mark.parametrize("way", ["stacked, members last", "fused, models in lanes"])
def test_nobody_is_left(way: str) -> None:
    """Who all diverged before the pause are trained no further, and logged no more."""
    runs, lost = bench(way, "adam"), [1, 6]
    wanted = runs.train(lost)
    assert wanted.points == [0, 15]  # the point where it was noticed: epoch 5, of 3 steps each
    same(runs.train(lost, runs.pause(lost, 8)), wanted)


def test_what_belongs_to_no_one_cohort() -> None:
    runs = bench("fused, models in lanes", "adam")
    paused = runs.pause([0, 1], 8)
    for other, words in (
        (runs.pause([2], 9), "not parts of one cohort"),
        (bench("fused, models in lanes", "momentum").pause([2], 8), "not parts of one cohort"),
        (bench("fused, models in lanes", "adam", "precision=64").pause([2], 8), "float64"),
        (replace(paused, points=[0, 1]), "logged at other steps"),
    ):
        with pytest.raises(ValueError, match=words):
            concatenate([paused, other])


def test_seconds_go_on() -> None:
    runs = bench("fused, models in lanes", "adam")
    paused = runs.pause(range(MEMBERS), 8)
    paused.members["seconds"].fill_(100.0)
    assert 300 < runs.train([1, 2, 3], paused.select([1, 2, 3])).seconds < 400
