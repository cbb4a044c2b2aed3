"""Splits that hold out each class in its share."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.commands import predict
from small_nets.config import conf_files
from small_nets.config.errors import InputError
from small_nets.data.division import HeldOut
from small_nets.data.prepared import Prepared
from small_nets.data.sources import Table
from small_nets.data.split import split, strata
from small_nets.run.build.build import build, build_data
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.cohorts.seed_batch import start_one, start_seeds
from small_nets.sweep.jobs.plan import cohort_key
from tests.conftest import Finished, Swept, predicted


def one_hot(counts: list[int]) -> Table:
    """Rows of classes in a fixed mixture, so many of each."""
    places = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    places = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(9))]
    return Table(torch.arange(len(places))[:, None].double(), torch.eye(len(counts))[places],
                 "classes")  # fmt: skip


@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=6),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_class_is_held_out_in_its_share(counts: list[int], fraction: float, seed: int) -> None:
    table, rows = one_hot(counts), sum(counts)
    held_out = int(fraction * rows)
    found = strata(table, held_out, True, None)
    if min(held_out, rows - held_out) < len(counts):
        assert found is None
        return
    assert found is not None
    train, val = split(rows, held_out, True, seed, found)
    assert len(val) == held_out  # what is documented for every split
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(rows))
    assert table.target is not None
    held, left = (table.target[part].sum(dim=0).tolist() for part in (val, train))
    shares = [held_out * n / rows for n in counts]
    assert min(*held, *left) >= 1
    if all(1 <= share <= count - 1 for share, count in zip(shares, counts, strict=True)):
        assert all(abs(got - share) < 1 for got, share in zip(held, shares, strict=True))
    again = split(rows, held_out, True, seed, found)
    assert torch.equal(again[0], train)


def test_the_order_is_that_of_the_plain_split() -> None:
    table = one_hot([30, 10, 5])
    found = strata(table, 9, True, True)
    train, val = split(45, 9, True, 4, found)
    order = torch.cat(split(45, 9, True, 4))
    place = {int(row): i for i, row in enumerate(order)}
    for part in (train, val):
        places = [place[int(row)] for row in part]
        assert places == sorted(places)
    assert not torch.equal(split(45, 9, True, 5, found)[1], val)
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    split(45, 9, True, 4, found)
    assert torch.equal(torch.randn(3), expected)


LONE = one_hot([20, 20, 1])
NUMBERS = Table(torch.arange(20.0)[:, None], torch.arange(20.0)[:, None])


@pytest.mark.parametrize(("table", "fraction", "shuffle", "words"), [
    (LONE, 0.2, True, ("the class 'c' has one row", "data.stratify=null")),
    (one_hot([20, 20, 20]), 0.04, True, ("2 rows", "3 classes")),
    (one_hot([20, 20, 20]), 0.97, True, ("2 rows", "3 classes")),
    (one_hot([20, 20]), 0.2, False, ("data.shuffle=false", "as they stand")),
    (NUMBERS, 0.2, True, ("numbers, not classes",)),
])  # fmt: skip
def test_true_insists_and_null_does_not(
    table: Table, fraction: float, shuffle: bool, words: tuple[str, ...]
) -> None:
    names = ["a", "b", "c"][: 1 if table.target is None else table.target.shape[1]]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        strata(table, int(fraction * len(table.input)), shuffle, True, names)
    assert all(word in str(caught.value) for word in ("data.stratify=true", *words))
    for off in (None, False):
        held_out = HeldOut(fraction, shuffle=shuffle, stratify=off)
        data = Prepared(table, held_out, split_seed=3)
        plain = split(len(table.input), int(fraction * len(table.input)), shuffle, 3)
        assert torch.equal(data.train.rows, plain[0])


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """A hundred rows, of which six are of the rare class."""
    path = tmp_path / "rare.csv"
    kinds = ["often"] * 94 + ["rare"] * 6
    x = [1_700_000_000 + i % 17 for i in range(100)]
    pl.DataFrame({"x": x, "kind": kinds, "far": [1e8 + i for i in range(100)]}).write_csv(path)
    return path


def own(path: Path, *more: str) -> list[str]:
    return ["data=table", f"data.path={path}", "data.inputs=[x]", "data.target=kind", *more,
            "trainer.max_epochs=3"]  # fmt: skip


@pytest.mark.parametrize("more", [
    ("loss=cross_entropy",), ("loss=bce", "model.output_activation=sigmoid"),
])  # fmt: skip
def test_a_table_is_stratified_by_default(
    more: tuple[str, ...], rare: Path, finish: Callable[..., Finished]
) -> None:
    config = compose_settings(*own(rare, *more))[0]
    for seed in range(12):
        data = build_data(config | {"data": config["data"] | {"split_seed": seed}})
        assert data.val is not None
        assert data.table.target is not None
        assert len(data.val) == 20
        assert data.table.target[data.val.rows][:, -1].sum() == 1
    # A prediction without --inputs takes the same rows.
    done = finish(*own(rare, *more), "seed=5")
    (done.directory / ".hydra").mkdir()
    (done.directory / ".hydra" / "config.yaml").write_text(_yaml(done.run.config))
    again = predicted(predict.read_run(done.directory), None)
    assert [row["input"] for row in again] == [row["input"] for row in done.result.predictions]
    assert [row["prediction"] for row in again] == [
        row["prediction"] for row in done.result.predictions
    ]


def _yaml(config: object) -> str:
    import yaml

    return yaml.safe_dump(config)


@pytest.mark.parametrize("more", [("loss=cross_entropy",), ("loss=mse", "data.target=far")])
def test_members_are_prepared_as_single_runs(more: tuple[str, ...], rare: Path) -> None:
    base = compose_settings(*own(rare), *more)[0]
    configs = [base | {"seed": s, "data": base["data"] | {"split_seed": s % 5}} for s in range(8)]
    members = start_seeds(configs)
    assert members is not None
    for member, config in zip(members, configs, strict=True):
        alone = start_one(config)
        assert member.val is not None
        assert alone.val is not None
        assert alone.target is not None
        assert member.target is not None
        assert alone.train.target is not None
        assert member.train.target is not None
        for one, other in (
            (member.train.rows, alone.train.rows), (member.val.rows, alone.val.rows),
            (member.train.input, alone.train.input), (member.val.input, alone.val.input),
            (member.train.target, alone.train.target),
            (member.input.shift, alone.input.shift), (member.input.divisor, alone.input.divisor),
            (member.target.shift, alone.target.shift),
        ):  # fmt: skip
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_kinds_of_splits_share_a_cohort(rare: Path, sweep: Callable[..., Swept]) -> None:
    base = compose_settings(*own(rare, "loss=cross_entropy"))[0]
    keys = {cohort_key(base | {"data": base["data"] | {"stratify": s}}) for s in (None, True)}
    assert len(keys) == 1
    done = sweep(*own(rare, "loss=cross_entropy"), "data.stratify=true,false", "seed=range(6)")
    assert done.table["status"].to_list() == ["completed"] * 12
    losses = done.table.sort("seed")["train/loss"].to_list()
    assert len({round(loss, 9) for loss in losses}) > 6  # the splits differ


def test_the_examples_keep_their_splits() -> None:
    assert {
        name: conf_files.section("data", name)["stratify"] for name in conf_files.choices("data")
    } == dict.fromkeys(conf_files.choices("data"), False) | {"table": None}
    config = compose_settings("+experiment=circles", "data.stratify=true")[0]
    data = build_data(config)
    assert data.val is not None
    assert data.table.target is not None
    assert data.table.target[data.val.rows].sum() == len(data.val) / 2


def test_refused_before_anything_starts(rare: Path) -> None:
    more = ("loss=cross_entropy", "data.stratify=true", "data.shuffle=false")
    with pytest.raises(InputError, match=r"data\.stratify=true, but data\.shuffle=false"):
        build(compose_settings(*own(rare, *more))[0])
    with pytest.raises(InputError, match="stratify=maybe is not allowed"):
        compose_settings(*own(rare, "data.stratify=maybe"))
