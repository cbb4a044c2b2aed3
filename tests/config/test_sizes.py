"""What is too large is answered from what was typed: with the value and the limit, at once."""

import resource
import time
from collections.abc import Callable

import pytest

from small_nets.config.errors import InputError
from small_nets.run.build.compose import compose_settings
from tests.conftest import Answer

Command = Callable[..., Answer]
LONG = "7" * 5000
DEEP = "[" * 3000 + "1" + "]" * 3000
MANY = ",".join(map(str, range(30_000)))
MLP = ("+experiment=temperature_mlp", "trainer.max_epochs=4", "logger=none")
SEARCH = ("-m", "hydra/sweeper=search", *MLP)
# Overrides -> what the message has in it: the value, and the limit.
SINGLE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("model.width=1e9",): ("model.width=1000000000", "3,000,000,001", "100,000,000"),
    ("model.width=1e12",): ("model.width=1000000000000", "1000000000"),
    ("model.width=[1,1000000000]",): ("model.width=[1,1000000000]", "100,000,000"),
    ("model.width=[20000,20000]",): ("400,", "100,000,000"),
    ("model.outputs=1000000000",): ("model.outputs=1000000000", "100,000,000"),
    (f"model.width=[{','.join('1' * 1500)}]",): ("model.width has 1,501 layers", "1,000"),
    ("trainer.max_epochs=1000000000000000000",): ("trainer.max_epochs=1000", "1000000000"),
    ("trainer.max_epochs=1000000000", "log_every=1"): ("1,000,000,000 points", "1,000,000"),
    ("log_every=1000000000000000000",): ("log_every=1000", "1000000000"),
    ("data.batch_size=1000000000000000000",): ("data.batch_size=1000", "1000000000"),
    ("scheduler=step", "scheduler.every=1000000000000"): ("scheduler.every=1000", "1000000000"),
    ("seed=1e400",): ("seed=inf", "4294967295"),
    ("optimizer.lr=1" + "0" * 400,): ("optimizer.lr=1000", "(401 characters)", "1e+38"),
    ("optimizer.weight_decay=1" + "0" * 400,): ("optimizer.weight_decay=1000", "finite"),
    (f"seed={LONG}",): ("seed=777", "5,000 digits", "1,000"),
    (f"optimizer.lr={LONG}.5",): ("optimizer.lr=777", "5,000 digits"),
    (f"optimizer.lr=0.{LONG}",): ("optimizer.lr=0.777", "5,000 digits"),
    (f"model.width={DEEP}",): ("model.width=[[[", "3,000 deep", "20"),
    (f"early_stop={DEEP.replace('[', '{a:').replace(']', '}')}",): ("early_stop={a:", "deep"),
    (f"model.width=[{MANY}]",): ("30,000 values", "10,000"),
}
SOURCES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("+experiment=linear_layers", "model.layers=[[4,1000000000],[1000000000,2]]"): (
        "model.layers=[[4,1000000000]", "7,000,000,002", "100,000,000",
    ),
    ("+experiment=sine", "data.source.points=1000000000000"): ("points=1000000000000", "10000"),
    ("+experiment=moons", "data.source.points=100000000"): ("points=100000000", "300,000,000"),
    ("+experiment=circles", "data.source.points=1e9"): ("points=1000000000 ", "3,000,000,000"),
    ("+experiment=spam", "data.source.rows=1000000", "data.source.features=1000000"): (
        "data.source.rows=1000000 data.source.features=1000000", "100,000,000",
    ),
}  # fmt: skip
SWEPT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("-m", *MLP, "seed=range(1e9)"): ("1,000,000,000 runs", "sweep.max_runs=1000000"),
    ("-m", *MLP, "seed=shuffle(range(1e9))"): ("1,000,000,000 runs",),
    ("-m", *MLP, "seed=range(0,1,0)"): ("seed=range(0,1,0)", "steps other than 0"),
    ("-m", *MLP, "seed=range(0,1,1e-12)"): ("1,000,000,000,000 runs", "sweep.max_runs"),
    ("-m", *MLP, "seed=range(0,inf)"): ("seed=range(0,inf)", "finite ends"),
    ("-m", *MLP, "seed=range(2000)", "optimizer.lr=range(0,1,1e-3)"): ("2,000,000 runs",),
    ("-m", *MLP, "seed=range(1e12)", "sweep.max_runs=1000000000000"): ("max_runs", "10000000"),
    ("-m", *MLP, f"seed=1,{LONG}"): ("5,000 digits",),
    ("-m", *MLP, f"seed=range({LONG})"): ("5,000 digits",),
    ("-m", *MLP, f"seed=choice({MANY})"): ("30,000 values", "range("),
    ("-m", *MLP, f"model.width=5,{DEEP}"): ("3,000 deep",),
    ("-m", *MLP, "sweep.memory=99999999GiB"): ("99999999GiB", "1048576GiB"),
    ("-m", *MLP, f"sweep.memory={LONG[:900]}GiB"): ("sweep.memory=777", "1048576GiB"),
    ("-m", *MLP, "sweep.verify=1000000000000"): ("sweep.verify=1000000000000", "1000000000"),
    (*SEARCH, "optimizer.lr=range(0,1,1e-12)"): ("1,000,000,000,000 values", "interval"),
    (*SEARCH, "optimizer.lr=1,2", "search.trials=1000000000000"): ("search.trials=1000", "1000000"),
    (*SEARCH, "optimizer.lr=1,2", "search.seeds=1000000"): ("100,000,000 runs", "max_runs"),
    (*SEARCH, "optimizer.lr=1,2", "search.batch=1e12"): ("search.batch=1000", "1000000000"),
}


def check(message: str, words: tuple[str, ...], began: float) -> None:
    missing = [word for word in words if word not in message]
    assert not missing, message
    assert len(message) < 2000
    assert time.process_time() - began < 2


@pytest.mark.every(3)
@pytest.mark.parametrize("overrides", SINGLE, ids=lambda v: " ".join(v)[:60])
def test_a_single_run(overrides: tuple[str, ...]) -> None:
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        compose_settings(*MLP, *overrides)
    check(str(caught.value), SINGLE[overrides], began)


@pytest.mark.parametrize("overrides", SOURCES, ids=lambda v: " ".join(v)[:60])
def test_a_source(overrides: tuple[str, ...]) -> None:
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        compose_settings(*overrides)
    check(str(caught.value), SOURCES[overrides], began)


@pytest.mark.every(4)
@pytest.mark.parametrize("arguments", SWEPT, ids=lambda v: " ".join(v)[-60:])
def test_a_sweep(arguments: tuple[str, ...], command: Command) -> None:
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    answer = command("src.train", *arguments)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 2
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err
    check(answer.err, SWEPT[arguments], time.process_time())


def test_what_is_allowed_is_not_refused() -> None:
    for overrides in (
        (f"optimizer.lr=0.{'3' * 400}",),
        ("model.width=[1000,1000]",),
        ("trainer.max_epochs=1000000000",),
        (f"data.source.inputs=[{','.join(f'[{i}]' for i in range(11))}]",),
    ):
        compose_settings(*MLP, *overrides)
