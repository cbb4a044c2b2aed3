"""Expansion against Hydra's own composition, config by config."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.config import conf_files, resolvers
from small_nets.config.check import without_hydra
from small_nets.config.errors import InputError
from small_nets.config.hydra_errors import explain
from small_nets.run.build.preflight import check
from small_nets.run.outputs.identity import run_id
from small_nets.sweep.jobs.expand import Expander
from small_nets.sweep.jobs.grid import batches
from small_nets.sweep.jobs.plan import cohort_key, program_of


@pytest.fixture(scope="module")
def hydra() -> Iterator[Any]:
    """Hydra's config loader, and a multirun's master config."""
    resolvers.register()
    with initialize_config_dir(str(conf_files.CONF), version_base="1.3"):
        loader = GlobalHydra.instance().hydra.config_loader  # type: ignore[union-attr]
        master = loader.load_configuration("train", [], run_mode=RunMode.MULTIRUN)
        assert master.sweep.dir  # resolved once, as a launch does: its stamp is every job's then
        yield loader, master


def by_hydra(hydra: Any, overrides: list[str]) -> dict[str, Any] | str:
    """What Hydra composes and the check makes of it: settings, or the message."""
    loader, master = hydra
    try:
        config = loader.load_sweep_config(master, overrides)
    except Exception as error:
        message = explain(error, overrides)
        assert message is not None
        return message
    try:
        return check(without_hydra(config), config.hydra.runtime.choices)
    except InputError as error:
        return str(error)


VALUES: dict[str, list[str]] = {
    "seed": ["0", "1", "17", "-1", "abc"],
    "optimizer.lr": ["0.1", "1e-3", "5", "abc", "null"],
    "model.width": ["5", "[5,5]", "null", "0"],
    "data.split_seed": ["3", "${seed}"],
    "data.batch_size": ["null", "4"],
    "early_stop": ["null", "{patience: 3}", "{patience: 0}"],
    "name": ["a", "b"],
    "trainer.max_epochs": ["10", "${seed}"],
    "log_every": ["1", "${trainer.max_epochs}"],
    "optimizer": ["sgd", "adam", "rmsprop", "sdg"],
    "scheduler": ["none", "cosine"],
    "loss": ["mse", "bce"],
    "model.output_activation": ["sigmoid", "tanh", "'tanh'"],
    "+model.typo": ["1"],
    "++model.width": ["7"],
    "~early_stop": [""],
    "~model.bias": ["", "true"],
    "data.probe": ["null", "[[1.0]]", "[[${seed}]]"],
}


def override(key: str) -> st.SearchStrategy[str]:
    return st.sampled_from(VALUES[key]).map(lambda v: f"{key}={v}" if v else key)


jobs = st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1, max_size=4).flatmap(
    lambda keys: st.lists(
        st.tuples(*(override(key) for key in keys)).map(list), min_size=2, max_size=4
    )
)


@settings(max_examples=8, deadline=None)
@given(jobs)
def test_as_hydra_composes_it(hydra: Any, jobs: list[list[str]]) -> None:
    loader, master = hydra
    lists = [["+experiment=temperature_mlp", *job] for job in jobs]
    for job in Expander(master, loader).expand(lists):
        expected = by_hydra(hydra, list(job.overrides))
        if isinstance(expected, str):
            assert job.error is not None, job.overrides
            assert job.error.splitlines()[0] == expected.splitlines()[0]
        else:
            assert job.error is None, (job.overrides, job.error)
            assert job.settings() == expected
            assert job.run_id == run_id(expected)
            assert job.digest(job.settings(), program_of) == cohort_key(expected)


def test_settings_are_shared_and_do_not_leak(hydra: Any) -> None:
    loader, master = hydra
    lists = [["+experiment=sine", f"seed={s}", f"optimizer.lr={lr}"]
             for s in range(3) for lr in (0.1, 0.2)]  # fmt: skip
    found = Expander(master, loader).expand(lists)
    assert [(j.settings()["seed"], j.settings()["optimizer"]["lr"]) for j in found] == [
        (s, lr) for s in range(3) for lr in (0.1, 0.2)
    ]
    assert [j.settings()["data"]["split_seed"] for j in found] == [0, 0, 1, 1, 2, 2]
    assert found[0].settings()["model"] is found[5].settings()["model"]
    assert len({id(j.family) for j in found}) == 1


def test_unresolved_config_is_what_hydra_saves(hydra: Any) -> None:
    loader, master = hydra
    found = Expander(master, loader).expand([["+experiment=sine", f"seed={s}"] for s in range(2)])
    assert found[1].family is not None
    raw = found[1].family.unresolved(found[1].values)
    assert raw["seed"] == 1
    assert raw["data"]["split_seed"] == "${seed}"


class TestGrid:
    def test_product_with_the_last_fastest(self, hydra: Any) -> None:
        (found,) = batches(
            ["seed=range(2)", "optimizer=choice(sgd,adam)", "x=1"], hydra[0], None, 9
        )
        assert found == [
            ["seed=0", "optimizer=sgd", "x=1"], ["seed=0", "optimizer=adam", "x=1"],
            ["seed=1", "optimizer=sgd", "x=1"], ["seed=1", "optimizer=adam", "x=1"],
        ]  # fmt: skip

    def test_glob(self, hydra: Any) -> None:
        (found,) = batches(["scheduler=glob(*)"], hydra[0], None, 9)
        assert [job[0] for job in found] == [
            f"scheduler={name}" for name in conf_files.choices("scheduler")
        ]

    def test_batches(self, hydra: Any) -> None:
        sizes = [len(batch) for batch in batches(["seed=range(7)"], hydra[0], 3, 9)]
        assert sizes == [3, 3, 1]

    @pytest.mark.parametrize(
        ("arguments", "size", "message"),
        [
            (["seed=range(0)"], None, "The grid is empty: seed has no values"),
            (["seed=range(5)", "a=1,2"], None, "has 10 runs .5 x 2., more than sweep.max_runs=9"),
            (["a=interval(1,2)"], None, "infinitely many values"),
            (["seed=1,2"], 0, "max_batch_size=0 is not allowed"),
        ],
    )
    def test_refused(self, hydra: Any, arguments: list[str], size: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            list(batches(arguments, hydra[0], size, 9))
