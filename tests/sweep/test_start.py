"""Members that are started together: to the bit what each is when it is built by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from small_nets.data.division import HeldOut
from small_nets.data.prepared import Prepared, Split
from small_nets.data.prepared_members import prepare_many
from small_nets.data.sources import Table
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.cohorts.initial_weights import CannotRedraw, Redraw
from small_nets.sweep.cohorts.seed_batch import Member, key_without_seeds, start_one, start_seeds
from tests.conftest import TRAINED

METHODS = ("none", "constant:0.1", "lp_norm:2", "standardize", "min_max")


def same_splits(one: Split | None, other: Split | None) -> None:
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    for a, b in ((one.input, other.input), (one.target, other.target), (one.rows, other.rows)):
        assert (a is None) == (b is None)
        assert a is None or b is None or torch.equal(a, b)


HELD = [HeldOut(), HeldOut(0.25), HeldOut(0.5), HeldOut(0.25, 0.25), HeldOut(test_fraction=0.5),
        HeldOut(folds=3, fold=1), HeldOut(test_fraction=0.25, folds=3, fold=2)]  # fmt: skip


@given(
    rows=st.integers(4, 30), columns=st.integers(1, 3), held=st.sampled_from(HELD),
    shuffle=st.booleans(), input=st.sampled_from(METHODS), target=st.sampled_from(METHODS),
    on=st.sampled_from(["train", "all"]), has_target=st.booleans(),
)  # fmt: skip
def test_splits_for_many_seeds(
    rows: int, columns: int, held: HeldOut, shuffle: bool, input: str, target: str, on: str,
    has_target: bool,
) -> None:  # fmt: skip
    numbers = torch.Generator().manual_seed(rows)
    x, y = torch.randn(rows, columns, generator=numbers), torch.randn(rows, 2, generator=numbers)
    table = Table(x, y if has_target else None, "regression")
    settings: dict[str, Any] = {
        "normalize_input": input, "normalize_target": target,
        "normalize_on": on,
    }  # fmt: skip
    seeds = (3, 0, 7, 3)
    held = replace(held, shuffle=shuffle)
    singles = [Prepared(table, held, split_seed=s, **settings) for s in seeds]
    many = prepare_many(singles[1], seeds, **settings)
    for i, single in enumerate(singles):

        def of(split: Split, i: int = i) -> Split:
            target = None if split.target is None else split.target[i]
            return Split(split.input[i], target, split.rows[i])

        same_splits(of(many.train), single.train)
        same_splits(None if many.val is None else of(many.val), single.val)
        same_splits(None if many.test is None else of(many.test), single.test)
        assert torch.equal(many.input[i].divisor, single.input_normaliser.divisor)
        if single.target_normaliser is not None:
            assert torch.equal(many.target[i].shift, single.target_normaliser.shift)


def configs_of(*overrides: str) -> list[dict[str, Any]]:
    base = compose_settings(*overrides, "logger=none")[0]
    return [base | {"seed": s, "data": base["data"] | {"split_seed": s}} for s in range(5, 12)]


def same_members(one: Member, other: Member) -> None:
    same_splits(one.train, other.train)
    same_splits(one.val, other.val)
    same_splits(one.test, other.test)
    assert list(one.parameters) == list(other.parameters)
    for name, p in one.parameters.items():
        assert torch.equal(p, other.parameters[name])
        assert p.dtype == other.parameters[name].dtype


@pytest.mark.every(3)
@pytest.mark.parametrize("precision", [32, 64])
@pytest.mark.parametrize("experiment", TRAINED)
def test_every_experiment_starts_together(experiment: str, precision: int) -> None:
    configs = configs_of(f"+experiment={experiment}", f"precision={precision}")
    assert len({key_without_seeds(config) for config in configs}) == 1
    together = start_seeds(configs)
    assert together is not None
    for member, config in zip(together, configs, strict=True):
        same_members(member, start_one(config))


@pytest.mark.parametrize("init", ["xavier", "kaiming", "normal", "zeros"])
def test_other_draws(init: str) -> None:
    configs = configs_of("+experiment=sine", f"model.init={init}", "model.width=[3,4]")
    together = start_seeds(configs)
    assert together is not None
    for member, config in zip(together, configs, strict=True):
        same_members(member, start_one(config))


def test_kin_differ_by_seeds_alone() -> None:
    one, other = configs_of("+experiment=sine")[:2]
    assert key_without_seeds(one) == key_without_seeds(other)
    assert key_without_seeds(one | {"model": dict(one["model"])}) == key_without_seeds(other)
    for change in ({"model": one["model"] | {"width": 6}}, {"precision": 64}):
        assert key_without_seeds(one | change) != key_without_seeds(other)
    assert key_without_seeds(one | {"data": one["data"] | {"batch_size": 7}}) != key_without_seeds(
        other
    )


def _reads() -> Tensor:
    drawn = torch.randn(3)
    return drawn if drawn[0].item() > 0 else -drawn


def _cuts() -> Tensor:
    return torch.randn(4)[:2]


BEFORE = torch.ones(2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_reads, "parts of a tensor|reads numbers"),
        (_cuts, "parts of a tensor"),
        (lambda: torch.randn(2) + BEFORE, "there before"),
        (lambda: BEFORE, "there before"),
        (lambda: torch.cat([torch.randn(2), torch.randn(2)]), "tensors in a list"),
    ],
)
def test_what_is_no_list_of_draws(make: Callable[[], Tensor], words: str) -> None:
    def build() -> nn.Module:
        net = nn.Module()
        net.register_parameter("w", nn.Parameter(make()))
        return net

    with pytest.raises(CannotRedraw, match=words):
        Redraw(build)
