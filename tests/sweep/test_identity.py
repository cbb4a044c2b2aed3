"""Identity of a setting: values are of the type of their key before anything is made of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st

from small_nets.config import conf_files, resolvers
from small_nets.config.cast_value import read
from small_nets.config.conf_files import CONF
from small_nets.config.errors import InputError
from small_nets.config.resolve import casts
from small_nets.config.schema import FIELDS, check_value, kind_of, show
from small_nets.config.unquoted_values import in_quotes
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.identity import run_id
from small_nets.sweep.jobs.expand import Expander, Job
from tests.conftest import Swept

Sweep = Callable[..., Swept]
PARSER = OverridesParser.create()
TRAIN = ("+experiment=temperature_mlp", "trainer.max_epochs=4", "logger=none")
MLP = (*TRAIN, "sweep.dir=here")  # its name would have the time in it
# Each line: overrides that are one and the same run, with what else they need.
SAME: list[tuple[list[str], list[str]]] = [
    (["optimizer.lr=1", "optimizer.lr=1.0", "optimizer.lr=1e0", "optimizer.lr='1'"], []),
    (["optimizer.weight_decay=0", "optimizer.weight_decay=0.0", "optimizer.weight_decay=-0.0"], []),
    (["model.width=8", "model.width=[8]", "model.width=8.0", "model.width=['8']"], []),
    (["model.width=[3,4]", "model.width=[3.0,4]"], []),
    (["optimizer.betas=[0,0.5]", "optimizer.betas=[0.0,0.50]"], ["optimizer=adam"]),
    (["data.normalize_input=constant:0.1", "data.normalize_input=constant:0.10",
      "data.normalize_input='constant:1e-1'"], []),
    (["data.normalize_input=lp_norm:5", "data.normalize_input=lp_norm:5.0"], []),
    (["early_stop={patience: 10}", "early_stop={patience: 10.0, min_delta: 0}",
      "early_stop={min_delta: 0.0, patience: 10}"], []),
    (["seed=7", "seed=7.0", "seed='7'", "seed='+7'"], []),
    (["data.split_seed=7", "data.split_seed=${seed}", "data.split_seed=7e0"], ["seed=7"]),
    (["log_every=1", "log_every=null", "log_every=1.0"], []),
    (["scheduler.steps=4", "scheduler.steps=null"], ["scheduler=cosine"]),
    (["scheduler.steps=12", "scheduler.steps=null"], ["scheduler=cosine", "data.batch_size=3"]),
    (["data.batch_size=null", "data.batch_size=9"], []),
    (["data.normalize_target=null", "data.normalize_target=none"], []),
    (["trainer.gradient_clip_val=1", "trainer.gradient_clip_val=1.0"], []),
    (["precision=64", "precision=64.0", "precision='64'"], []),
    (["model.bias=true", "model.bias='true'", "model.bias=TRUE"], []),
    (["data.probe=[[10]]", "data.probe=[[10.0]]"], []),
    (["optimizer.lr=${oc.env:RATE}", "optimizer.lr=0.25"], []),
    (["seed=${oc.env:SEED}", "seed=12"], []),
]  # fmt: skip
# Each line: overrides that are runs of their own.
OTHER: list[list[str]] = [
    ["optimizer.lr=1", "optimizer.lr=1.0000001"],
    ["model.width=8", "model.width=[8,8]", "model.width=null"],
    ["data.batch_size=null", "data.batch_size=8"],
    ["log_every=1", "log_every=2"],
    ["data.normalize_input=lp_norm:5", "data.normalize_input=constant:5"],
    ["early_stop=null", "early_stop={patience: 10}", "early_stop={patience: 10, min_delta: 1e-9}"],
]


def expand(lists: list[list[str]]) -> list[Job]:
    """The jobs of override lists, as a sweep has them."""
    resolvers.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        loader = hydra.config_loader
        master = loader.load_configuration(conf_files.ROOT, list(MLP), run_mode=RunMode.MULTIRUN)
        return Expander(master, loader).expand(lists)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", " 2.5e-1")
    monkeypatch.setenv("SEED", "12")


@pytest.mark.every(3)
@pytest.mark.parametrize(("overrides", "more"), SAME, ids=lambda v: " ".join(v))
def test_one_run(overrides: list[str], more: list[str]) -> None:
    jobs = expand([[*MLP, *more, o] for o in overrides])
    assert [job.error for job in jobs] == [None] * len(jobs)
    # In company, and as the first of its family or not: what the single run has, to the type.
    for job in (jobs[0], jobs[-1]):
        alone, _ = compose_settings(*job.overrides)
        assert repr(job.settings()) == repr(alone)
        assert {other.run_id for other in jobs} == {run_id(alone)}


@pytest.mark.more
def test_several_runs() -> None:
    for overrides in OTHER:
        assert len({job.run_id for job in expand([[*MLP, o] for o in overrides])}) == len(overrides)


def test_what_reads_a_value_follows_it() -> None:
    text = ["name=rate_${optimizer.lr}", "description=${name} of ${model.width}"]
    lists = [[*MLP, *text, f"optimizer.lr={lr}", f"model.width={w}"]
             for lr, w in (("1", "[8]"), ("2", "8"), ("0.50", "[8,8]"))]  # fmt: skip
    jobs = expand(lists)
    assert [j.settings()["name"] for j in jobs] == ["rate_1.0", "rate_2.0", "rate_0.5"]
    assert jobs[0].settings()["description"] == "rate_1.0 of 8"
    for job in jobs:
        assert job.settings() == compose_settings(*job.overrides)[0]
    # A whole number that is read as a float, and a float that is read as a whole number.
    read = ["optimizer=adam", "log_every=${optimizer.eps}", "print_every=${log_every}",
            "description=every ${log_every} of ${optimizer.eps}"]  # fmt: skip
    jobs = expand([[*MLP, *read, f"optimizer.eps={v}"] for v in ("3", "1.0", "0.5")])
    assert [j.settings()["log_every"] for j in jobs[:2]] == [3, 1]
    assert [j.settings()["description"] for j in jobs[:2]] == ["every 3 of 3.0", "every 1 of 1.0"]
    assert [repr(j.settings()["print_every"]) for j in jobs[:2]] == ["3", "1"]
    for job in jobs[:2]:
        assert job.settings() == compose_settings(*job.overrides)[0]
    assert jobs[2].error is not None
    assert "log_every=0.5 is not allowed" in jobs[2].error


NAMES = st.from_regex(r"[a-z_]{1,5}", fullmatch=True).filter(lambda k: read(k) is k)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False),
    st.text().filter(lambda t: "${" not in t),
    st.text(alphabet="ab1_0.-+e:/\\'\" ,[]{}()=$%@?*|~nulifINTrE").filter(lambda t: "${" not in t),
)  # fmt: skip
PLAIN = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=5
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_a_value_is_shown_as_it_is_typed(value: Any) -> None:
    found = PARSER.parse_override(f"key={show(value)}").value()
    assert repr(found) == repr(value)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[+-]?[0-9_]{0,4}\.?[0-9_]{0,3}([eE][+-]?[0-9_]{0,3})?", fullmatch=True))
def test_a_text_is_read_as_hydra_reads_it(text: str) -> None:
    found = PARSER.parse_override(f"key={text}").value() if text else text
    assert repr(read(text)) == repr(found)


ANY = st.one_of(LEAVES, st.lists(LEAVES, max_size=2), st.just({"patience": "3"}),
                st.sampled_from([10**400, 1e300, "nan", "-inf", "1_0", [["1"]]]))  # fmt: skip


@pytest.mark.parametrize("key", FIELDS)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_cast_is_final(key: str, data: Any) -> None:
    """Whatever is given, it is refused with a message, or it is of one type, and stays so."""
    value = data.draw(ANY)
    try:
        once = check_value(key, value)
    except InputError:
        return
    assert repr(check_value(key, once)) == repr(once)
    types = {"float": float, "int": int, "bool": bool}
    if kind_of(key) in types and once is not None:
        assert type(once) is types[kind_of(key)]


def test_defaults_are_of_their_types() -> None:
    for name in ("temperature_mlp", "sine", "spam", "xor", "neuron_by_hand"):
        config, _ = compose_settings(f"+experiment={name}")
        assert casts(config) == {}
    for key, rule in FIELDS.items():
        text = rule.example[1:-1] if rule.example[0] == "'" else rule.example
        check_value(
            key, PARSER.parse_override(in_quotes(f"{key}={text}")).value()
        )  # what it advises


class TestSweeps:
    def test_a_seed_counts_once(self, sweep: Sweep) -> None:
        done = sweep(*TRAIN, "optimizer.weight_decay=0,0.0,-0.0", "seed=1,2")
        assert "4 given twice, trained once" in done.text
        assert len(done.table) == 2
        assert done.losses[:2] * 3 == done.losses

    def test_extended_by_the_same_rates(self, sweep: Sweep) -> None:
        sweep(*TRAIN, "optimizer.lr=range(1,3)")
        done = sweep(*TRAIN, "optimizer.lr=range(0.5,2.5,0.5)")
        assert done.table.sort("optimizer.lr")["optimizer.lr"].to_list() == [0.5, 1.0, 1.5, 2.0]
        assert "2 runs to train, 2 already there" in done.text

    def test_a_list_and_a_text(self, sweep: Sweep, tmp_path: Path) -> None:
        """[a,b] are two columns, and "a,b" is one."""
        file = tmp_path / "t.csv"
        rows = "".join(f"{i},{2 * i},{3 * i},{i % 3}\n" for i in range(12))
        file.write_text(f'a,b,"a,b",c\n{rows}')
        table = ("data=table", f"data.path={file}", "data.target=c", "trainer.max_epochs=4",
                 "logger=none", "seed=0,1")  # fmt: skip
        done = sweep(*table, 'data.inputs=[a,b],["a,b"],[b]')
        assert done.table["data.inputs"].unique().sort().to_list() == ["['a,b']", "[a,b]", "[b]"]
        assert [line for line in done.text.splitlines() if line.startswith("['a,b'] ")]

    def test_a_column_has_the_type_of_its_key(self, sweep: Sweep) -> None:
        first = sweep(*TRAIN, "model.width=4,5", "optimizer.lr=1,2", "log_every=null,2").table
        found = {
            key: str(first.schema[key]) for key in ("model.width", "optimizer.lr", "log_every")
        }
        assert found == {"model.width": "String", "optimizer.lr": "Float64", "log_every": "Int64"}
        # A new key, and other kinds of values: the same types.
        more = sweep(*TRAIN, "model.width=[4],[2,2]", "data.shuffle=true,false", "optimizer.lr=1")
        assert more.table.schema["model.width"] == first.schema["model.width"]
        assert str(more.table.schema["data.shuffle"]) == "Boolean"
        assert sorted(more.table["model.width"].unique()) == ["4", "5", "[2,2]"]
        assert len(more.table) == 8 + 3
