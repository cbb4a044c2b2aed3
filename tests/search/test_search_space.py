"""What is searched, from Hydra's overrides: ranges, choices, conditions, and what is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import create_trial

from small_nets.config.errors import InputError
from small_nets.search.conditional import ConditionalSpace
from small_nets.search.sampler_limits import refuse_space
from small_nets.search.samplers import distribution
from small_nets.search.space import Parameter, Space, space_of

GROUPS = {"optimizer", "model", "experiment"}
LR = "optimizer.lr"


def space(*arguments: str) -> Space:
    return space_of(arguments, None, GROUPS)


PARAMETERS = {
    f"{LR}=interval(0.1,2)": Parameter(LR, "float", 0.1, 2.0),
    f"{LR}=interval(1,2)": Parameter(LR, "float", 1.0, 2.0),
    f"{LR}=tag(log, interval(1e-4, 1e-1))": Parameter(LR, "float", 1e-4, 0.1, log=True),
    "w=int(interval(2,64))": Parameter("w", "int", 2, 63, 1),
    "w=tag(log, int(interval(1,65)))": Parameter("w", "int", 1, 64, 1, log=True),
    "w=int(tag(log, interval(1,65)))": Parameter("w", "int", 1, 64, 1, log=True),
    "w=range(2,64)": Parameter("w", "int", 2, 63, 1),
    "w=range(5)": Parameter("w", "int", 0, 4, 1),
    "w=range(2,64,5)": Parameter("w", "int", 2, 62, 5),
    "w=range(10,0,-3)": Parameter("w", "int", 1, 10, 3),
    "w=shuffle(range(2,6))": Parameter("w", "int", 2, 5, 1),
    "w=tag(log, range(1,65))": Parameter("w", "int", 1, 64, 1, log=True),
    "w=float(range(1,5))": Parameter("w", "float", 1.0, 4.0, 1.0),
    "w=range(0,1,0.25)": Parameter("w", "float", 0.0, 0.75, 0.25),
    "w=5,10,[5,5],5": Parameter("w", "choice", choices=("5", "10", "[5,5]")),
    "w=null,3": Parameter("w", "choice", choices=("null", "3")),
    "w=choice(0.5,'a b',true)": Parameter("w", "choice", choices=("0.5", "a b", "true")),
    "optimizer=choice(sgd,adam)": Parameter(
        "optimizer", "choice", choices=("sgd", "adam"), is_group=True
    ),
    "+experiment=sine,xor": Parameter(
        "+experiment", "choice", choices=("sine", "xor"), is_group=True
    ),
}


@pytest.mark.parametrize("override", PARAMETERS)
def test_parameter(override: str) -> None:
    assert space(override).parameters == (PARAMETERS[override],)


def test_what_is_fixed() -> None:
    found = space("+experiment=sine", "w=3", "e={a: 1}", "~b", "s=range(4,5)", "c=choice(x)",
                  f"{LR}=interval(0,1)", "w=4", "hydra.verbose=true")  # fmt: skip
    assert list(found.fixed.values()) == [
        *("+experiment=sine", "w=4", "e={a:1}", "~b=null", "s=4", "c=x", "hydra.verbose=True")
    ]
    assert found.settings == ("w", "e", "s", "c", LR)


REFUSED = {
    ("seed=range(3)",): ("seed=range(3)", "search.seeds=8"),
    ("seed=3", "w=1,2"): ("seed=3", "search.seeds=8"),
    ("data.split_seed=1,2",): ("seeds are not searched",),
    ("search.trials=10,20",): ("the whole search", "one value"),
    ("engine=fused,stacked",): ("the whole search",),
    ("w=3",): ("nothing to search", "interval(low,high)"),
    (): ("nothing to search",),
    ("w=interval(2,1)",): ("w=interval(2,1)", "not below"),
    ("w=interval(1,1)",): ("not below",),
    ("w=interval(0,inf)",): ("not finite",),
    ("w=interval(nan,1)",): ("not finite",),
    ("w=range(5,2)",): ("w=range(5,2)", "empty"),
    ("w=range(0,inf)",): ("finite ends",),
    ("w=range(0,5,0)",): ("steps other than 0",),
    ("w=tag(log, interval(0,1))",): ("a log scale cannot contain 0", "above 0"),
    ("w=tag(log, interval(-1,1))",): ("a log scale cannot contain -1",),
    ("w=tag(log, int(interval(0,9)))",): ("a log scale cannot contain 0",),
    ("w=tag(log, range(1,65,2))",): ("steps of 2", "w=tag(log, interval(1,63))"),
    ("w=tag(log, float(range(1,65)))",): ("steps of 1",),
    ("w=tag(logg, interval(1,2))",): ("the tag logg", "Did you mean log?"),
    ("w=int(tag(log, range(1,65)))",): ("the tag is lost", "tag(log, int(range(1,65)))"),
    ("w=tag(log, choice(1,2))",): ("without the tag",),
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        space(*arguments)
    for words in REFUSED[arguments]:
        assert words in str(caught.value)


TENTHS = st.integers(-30, 30)


@given(TENTHS, TENTHS, TENTHS.filter(bool), st.booleans())
def test_a_range_has_the_values_of_hydras_own(
    start: int, stop: int, step: int, is_whole: bool
) -> None:
    ends = [f"{v}" if is_whole else f"{v / 10:.1f}" for v in (start, stop, step)]
    (override,) = OverridesParser.create().parse_overrides([f"w=range({','.join(ends)})"])
    # Hydra adds steps up in binary: its range(0.0,0.1,0.1) holds 0.1.
    wanted = sorted(float(v) for v in override.sweep_iterator()  # type: ignore[arg-type]
                    if abs(float(v) - float(ends[1])) > 1e-9)  # type: ignore[arg-type] # fmt: skip
    if not wanted:
        with pytest.raises(InputError, match="empty"):
            space(f"w=range({','.join(ends)})")
        return
    if len(wanted) == 1:
        found = [float(space(f"w=range({','.join(ends)})", "v=1,2").fixed["w"].partition("=")[2])]
    else:
        (p,) = space(f"w=range({','.join(ends)})").parameters
        found = [float(p.typed(p.at((i + 0.5) / len(wanted)))) for i in range(len(wanted))]
    assert found == pytest.approx(wanted, abs=1e-9)


@given(
    st.sampled_from(list(PARAMETERS.values())),
    st.floats(0, 1, exclude_max=True),
)
def test_every_share_is_a_value(p: Parameter, share: float) -> None:
    value = p.at(share)
    create_trial(value=0.0, params={p.name: value}, distributions={p.name: distribution(p)})
    (read,) = OverridesParser.create().parse_overrides([f"{p.key}={p.typed(value)}"])
    if p.kind != "choice":
        assert read.value() == pytest.approx(value, rel=1e-11)
        assert isinstance(read.value(), int) == (p.kind == "int")


def test_whole_numbers_on_a_log_scale_are_all_drawn() -> None:
    (p,) = space("w=tag(log, range(1,5))").parameters
    found = [p.at(i / 1000) for i in range(1000)]
    assert found == sorted(found)
    shares = [found.count(v) / 1000 for v in (1, 2, 3, 4)]
    assert shares == sorted(shares, reverse=True)
    assert shares[3] > 0.1


def compose(typed: Sequence[str]) -> Mapping[str, Any]:
    """Of optimizers only momentum has momentum; the experiment xor has no width."""
    chosen = dict(o.lstrip("+").split("=") for o in typed)
    optimizer = {"_target_": "x", "lr": 0.1}
    if chosen.get("optimizer") == "momentum":
        optimizer["momentum"] = 0.9
    width = {} if chosen.get("experiment") == "xor" else {"width": 1}
    return {"optimizer": optimizer, "model": {"_target_": "y"} | width, "log_every": None}


def test_a_trial_has_the_settings_of_its_choices() -> None:
    found = space("optimizer=sgd,momentum", "optimizer.momentum=interval(0,0.9)", "model.width=3",
                  "+experiment=sine,xor", f"{LR}=interval(0,1)")  # fmt: skip
    conditional = ConditionalSpace(found, compose)
    assert conditional.conditional == ("optimizer.momentum",)
    params = {"optimizer": "momentum", "experiment": "xor", LR: 0.5, "optimizer.momentum": 0.25}
    assert conditional.overrides(params) == [
        *("optimizer=momentum", "optimizer.momentum=0.25", "+experiment=xor", f"{LR}=0.5")
    ]
    assert not conditional.has("optimizer.momentum", {"optimizer": "sgd", "experiment": "sine"})
    params = {"optimizer": "sgd", "experiment": "sine", LR: 0.5}
    assert conditional.overrides(params) == [
        *("model.width=3", "optimizer=sgd", "+experiment=sine", f"{LR}=0.5")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("optimizer=sgd,adam", "optimizer.momentum=interval(0,1)"),
         ("optimizer.momentum does not exist for optimizer=sgd|adam", "a key of optimizer=")),
        (("optimizer=sgd,momentum", "optimizer.momentun=interval(0,1)"),
         ("Did you mean momentum?",)),
        ((f"{LR}=interval(-1,1)",), ("optimizer.lr=-1.0 is not allowed", "from 0")),
        (("model.width=interval(1,9)",), ("Fix: model.width=int(interval(1,9))",)),
        (("model.width=range(0,9)",), ("model.width=0 is not allowed",)),
        (("model.width=1,[2,0]",), ("model.width=[2,0] is not allowed",)),
        ((f"{LR}=1,2", "log_every=0"), ("log_every=0 is not allowed",)),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        ConditionalSpace(space(*arguments), compose)
    for word in words:
        assert word in str(caught.value)


def test_what_a_sampler_cannot_take() -> None:
    choices = space("optimizer=sgd,momentum", f"{LR}=interval(0,1)")
    branches = space("optimizer=sgd,momentum", "optimizer.momentum=interval(0,1)")
    for sampler in ("tpe", "random", "qmc"):
        refuse_space(sampler, branches, ["optimizer.momentum"])
    refuse_space("gp", choices, [])
    refuse_space("cmaes", space(f"{LR}=interval(0,1)", "w=range(5)"), [])
    for sampler, found, some, words in (
        ("cmaes", choices, [], ("cannot search optimizer", "tpe or random or qmc or gp")),
        ("gp", branches, ["optimizer.momentum"],
         ("cannot search optimizer.momentum", "tpe or random or qmc")),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            refuse_space(sampler, found, some)
        for word in words:
            assert word in str(caught.value)
