"""Rows are divided into training, validation and test: exactly, and the same way each time."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from small_nets.config.sizes import training_rows
from small_nets.data.division import Division, HeldOut
from small_nets.data.prepared import Prepared
from small_nets.data.sources import Table
from small_nets.run.build.compose import compose_settings


def numbers(rows: int) -> Table:
    x = torch.arange(rows, dtype=torch.float64)[:, None]
    return Table(x, 2 * x)


def classes(counts: list[int]) -> Table:
    """Rows of classes, of which each has so many."""
    of = torch.cat([torch.full((n,), i) for i, n in enumerate(counts)])
    order = torch.randperm(len(of), generator=torch.Generator().manual_seed(0))
    one_hot = torch.eye(len(counts), dtype=torch.float64)[of[order]]
    return Table(torch.arange(len(of), dtype=torch.float64)[:, None], one_hot, "classes")


def rows_of(*parts: Tensor) -> list[int]:
    return sorted(torch.cat(parts).tolist())


@given(
    rows=st.integers(3, 60), val=st.floats(0, 0.6), test=st.floats(0, 0.6),
    seed=st.integers(0, 2**32 - 1), shuffle=st.booleans(),
)  # fmt: skip
def test_three_splits_are_a_partition(
    rows: int, val: float, test: float, seed: int, shuffle: bool
) -> None:
    counts = (int(val * rows), int(test * rows))
    assume(sum(counts) < rows)
    assume((counts[0] > 0 or val == 0) and (counts[1] > 0 or test == 0))
    division = Division(numbers(rows), HeldOut(val, test, shuffle=shuffle))
    train, validation = division.split(seed)
    assert (len(validation), len(division.test)) == counts  # fractions of all rows
    assert rows_of(train, validation, division.test) == list(range(rows))
    if not shuffle:  # in the order of time: what is tested comes last
        assert torch.cat([train, validation, division.test]).tolist() == list(range(rows))


def test_the_test_rows_are_the_same_for_every_split_seed() -> None:
    held_out = HeldOut(0.2, 0.25)
    parts = [Prepared(numbers(40), held_out, split_seed=seed) for seed in range(5)]
    tests = [set(data.test.rows.tolist()) for data in parts if data.test is not None]
    assert len(tests) == 5
    assert all(found == tests[0] for found in tests)
    validations = {tuple(data.val.rows.tolist()) for data in parts if data.val is not None}
    assert len(validations) == 5
    other = Prepared(numbers(40), replace(held_out, test_seed=1))
    assert other.test is not None
    assert set(other.test.rows.tolist()) != tests[0]


@pytest.mark.parametrize("on", ["train", "all"])
def test_no_normalisation_sees_a_test_row(on: str) -> None:
    table = numbers(20)
    x = table.input.clone()
    held_out = HeldOut(0.2, 0.25)
    test = Prepared(table, held_out).test
    assert test is not None
    x[test.rows] = 1e6
    moved = Prepared(replace(table, input=x), held_out, normalize_input="min_max", normalize_on=on)
    assert moved.input_normaliser.divisor.item() < 20
    assert moved.test is not None
    assert bool((moved.test.input > 1e4).all())


@given(
    rows=st.integers(2, 60), folds=st.integers(2, 12), test=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 2**32 - 1), shuffle=st.booleans(),
)  # fmt: skip
def test_each_row_is_once_a_validation_row(
    rows: int, folds: int, test: float, seed: int, shuffle: bool
) -> None:
    assume(test == 0 or int(test * rows) > 0)
    table = numbers(rows)
    assume(folds <= rows - int(test * rows))
    asked = HeldOut(0.0, test, folds=folds, fold=0, shuffle=shuffle, stratify=None)
    tested, held = Division(table, asked).test, []
    for fold in range(folds):
        division = Division(table, replace(asked, fold=fold))
        train, val = division.split(seed)
        assert torch.equal(division.test, tested)
        assert rows_of(train, val, tested) == list(range(rows))
        held.append(val)
    sizes = [len(val) for val in held]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert rows_of(*held, tested) == list(range(rows))


@given(
    counts=st.lists(st.integers(4, 20), min_size=2, max_size=4), folds=st.integers(2, 4),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_folds_of_classes_have_their_share(counts: list[int], folds: int, seed: int) -> None:
    table = classes(counts)
    assert table.target is not None
    held = []
    for fold in range(folds):
        held_out = HeldOut(folds=folds, fold=fold, stratify=True)
        held.append(Division(table, held_out).split(seed)[1])
    assert rows_of(*held) == list(range(sum(counts)))
    shares = torch.stack([table.target[val].sum(dim=0) for val in held])
    assert bool((shares.max(dim=0).values - shares.min(dim=0).values <= 1).all())
    assert len({len(val) for val in held}) <= 2


@pytest.mark.parametrize("folds", [3, 5])
@pytest.mark.parametrize("fold", [0, 2])
def test_the_config_tells_how_many_rows_train(folds: int, fold: int) -> None:
    keys = [f"data.folds={folds}", f"data.fold={fold}", "data.test_fraction=0.2"]
    data = compose_settings("+experiment=temperature_mlp", *keys)[0]["data"]
    held_out = HeldOut(test_fraction=0.2, folds=folds, fold=fold)
    assert training_rows(data) == len(Prepared(numbers(11), held_out).train)


def test_a_source_may_bring_a_test_set() -> None:
    own = Table(torch.tensor([[100.0], [200.0]]), torch.tensor([[1.0], [2.0]]))
    data = Prepared(replace(numbers(10), test=own), HeldOut(0.2), normalize_input="constant:0.1")
    assert data.test is not None
    assert data.test.input.flatten().tolist() == [10.0, 20.0]
    assert data.test.target is not None
    assert data.test.target.flatten().tolist() == [1.0, 2.0]
    assert rows_of(data.train.rows, *([] if data.val is None else [data.val.rows])) == [*range(10)]
    with pytest.raises(ValueError, match=r"data\.test_fraction=0\.3.*test set of its own, of 2"):
        Division(replace(numbers(10), test=own), HeldOut(test_fraction=0.3))


@pytest.mark.parametrize(("held_out", "words"), [
    (HeldOut(0.5, 0.5), "data.val_fraction=0.5 and data.test_fraction=0.5 are not allowed"),
    (HeldOut(0.2, 0.01), "data.test_fraction=0.01 is not allowed"),
    (HeldOut(0.2, 1.5), "data.test_fraction=1.5 is not allowed"),
    (HeldOut(0.2, -0.1), "data.test_fraction=-0.1 is not allowed"),
    (HeldOut(-0.2, 0.1), "data.val_fraction=-0.2 and"),
    (HeldOut(folds=11, fold=0), "Allowed: 2 to 10"),
    (HeldOut(test_fraction=0.5, folds=6, fold=0), "5 rows beside the test rows"),
])  # fmt: skip
def test_what_cannot_be_held_out_is_refused(held_out: HeldOut, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Division(numbers(10), held_out)


def test_true_insists_on_a_row_of_each_class_in_each_fold() -> None:
    table = classes([20, 20, 2])
    with pytest.raises(ValueError, match=r"the class 'c' has 2 rows, fewer than data\.folds=3"):
        Division(table, HeldOut(folds=3, fold=0, stratify=True), ["a", "b", "c"])
    train, val = Division(table, HeldOut(folds=3, fold=0, stratify=None)).split(0)
    assert rows_of(train, val) == list(range(42))
